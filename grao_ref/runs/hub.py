"""Uploading the trained model to the Hugging Face hub: checked before a run starts, done when it has ended."""

from pathlib import Path

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.utils import disable_progress_bars, validate_repo_id  # type: ignore[attr-defined]

from grao_ref.plugins.blame import message_of
from grao_ref.policies.adapters import adapter_settings
from grao_ref.policies.load import EMBEDDED
from grao_ref.runs.card import base_id
from grao_ref.settings.config import Config


def require_hub(config: Config) -> None:
    """Raise `ValueError` where `push_to_hub` could not be done at the end: no name, no token, no connection.

    An adapter is refused whose base is on this machine alone, because nobody else could load it.
    """
    if not config.push_to_hub:
        return
    name = repository(config)
    try:
        validate_repo_id(name)
    except ValueError as error:
        raise ValueError(f"hub_model_id {name!r} can't be a name on the hub: {message_of(error)}") from None
    _require_base(config)
    if constants.HF_HUB_OFFLINE:
        raise ValueError("push_to_hub needs the hub, and HF_HUB_OFFLINE is set")
    if get_token() is None:
        raise ValueError("push_to_hub needs a token that may write: hf auth login, or set HF_TOKEN")
    try:
        HfApi().whoami()
    except Exception as error:  # of the network, or of a token that is not valid
        raise ValueError(f"push_to_hub: the hub does not answer to this token: {message_of(error)}") from None


def repository(config: Config) -> str:
    """The name on the hub, USER/NAME or NAME. Raises `ValueError` where none can be made of the settings."""
    name = config.hub_model_id or (config.output_dir.resolve().name if config.output_dir is not None else "")
    if not name:
        raise ValueError("push_to_hub needs a name: --hub-model-id USER/NAME, or --output-dir, whose name is taken")
    return name


def push(folder: Path, config: Config) -> str:
    """Upload a model's folder; the address of its page.

    Raises `ConnectionError` with how to upload it by hand, whatever went wrong.
    """
    name = repository(config)
    disable_progress_bars()
    try:
        api = HfApi(library_name="grao_ref")
        page = api.create_repo(name, exist_ok=True)
        name = page.repo_id
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Trained with grao_ref")
    except Exception as error:  # of the network, the hub or the disk
        raise ConnectionError(
            f"the model is in {folder}, and pushing it to the hub failed: {message_of(error)} "
            f"By hand: hf upload {name} {folder}"
        ) from None
    return str(page)


def _require_base(config: Config) -> None:
    if config.use_peft or _goes_on(config):
        merged = config.use_peft and config.merge_adapter
        if merged or config.model_name_or_path in EMBEDDED or base_id(config) is None:
            raise ValueError(
                "push_to_hub: an adapter can be loaded with its base alone, and this one's is on this machine; train "
                "the whole model (an adapter with --merge-adapter), or begin with a base from the hub"
            )


def _goes_on(config: Config) -> bool:
    """Whether an adapter is trained further."""
    name = config.model_name_or_path
    return not config.merge_adapter and name not in EMBEDDED and adapter_settings(name) is not None
