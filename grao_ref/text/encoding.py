"""Prompts and answers as token ids, as a model's chat template writes them; the only way from texts to ids.

Every function takes lists, because tokenizers are much faster on lists than on single texts.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from grao_ref.text.messages import Message, Prompt
from grao_ref.text.opened import Opened, named, names_of
from grao_ref.text.seam import Ids, blank_keeper, leading_ids, tail_ids, tokens
from grao_ref.text.special import Tokenizer, called, require_embeddings
from grao_ref.text.template import ChatTemplate, Turn, continues


class Encoder:
    """Tokens of prompts and answers as a model's chat template writes them.

    `options`: passed on to the template (`chat_template_kwargs`). `system`: put before conversations that have no
    system message. `skip_special_tokens`: decoded texts are without special tokens. `rows`: of the model's embeddings;
    every id has to lie below. `ends`: ids that end an answer beside the tokenizer's and the template's.

    An answer's tokens are what the template writes behind the opened prompt, up to the token that ends the turn: the
    first special token behind the answer's text. Where the prompt is text, or the template writes no such token, an
    answer ends with the tokenizer's end-of-sequence token.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        options: Mapping[str, Any] | None = None,
        system: str | None = None,
        skip_special_tokens: bool = True,
        rows: int | None = None,
        ends: Iterable[int] = (),
    ) -> None:
        self.tokenizer, self.system, self.rows = tokenizer, system, rows
        self.template, self.skip_special_tokens = ChatTemplate(tokenizer, options), skip_special_tokens
        self.rewritten: set[str] = set()  # names of rows whose answer the template does not write as it is
        self._turns: dict[bool, Turn] = {}  # of prompts that an answer begins behind, and of those that it continues
        self._ends = {*ends, tokenizer.eos_token_id} - {None}

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Every id that ends an answer: those given, the tokenizer's, the template's, and those of the rows so far."""
        prompt: list[Message] = [{"role": "user", "content": "hello"}]
        if self.tokenizer.chat_template and not self._turns:
            try:
                self._turn(prompt, self.template.opened(prompt))
            except ValueError:  # such a template is refused for references; prompts alone are answered all the same
                with suppress(ValueError):
                    self._ends |= {self.template.end_id(prompt)} - {None}
        return tuple(sorted(self._ends))

    @property
    def ends_with_special(self) -> bool:
        """False where conversations were encoded whose turns end without a special token."""
        return all(turn.end is not None for turn in self._turns.values())

    def asked(self, prompt: Prompt) -> Prompt:
        """The prompt with the system message, where it has none. Raises `ValueError` on text."""
        if self.system is None:
            return prompt
        if isinstance(prompt, str):
            raise ValueError("system_prompt is put before conversations, and this prompt is text")
        if any(message["role"] == "system" for message in prompt):
            return prompt
        return [{"role": "system", "content": self.system}, *prompt]

    def opened(self, prompts: Sequence[Prompt], numbers: Sequence[int] | None = None) -> Opened:
        """The prompts with their tokens, ready for answers. `numbers`: of their rows in the file, for messages.

        Text gets the special tokens that the tokenizer adds at its start, and none at its end: a model does not answer
        behind an end-of-sequence token. A conversation is rendered with its generation prompt; the template writes all
        special tokens itself. Raises `ValueError` that names the row where template or tokenizer refuse it, where it
        has no token, and on an id that the model has no embedding for.
        """
        names = names_of(prompts, numbers)
        asked = [named(name, self.asked, prompt) for prompt, name in zip(prompts, names, strict=True)]
        texts = [
            prompt if isinstance(prompt, str) else named(name, self.template.opened, prompt)
            for prompt, name in zip(asked, names, strict=True)
        ]
        ids = tokens(self.tokenizer, texts, names)
        plain = next((row for row, prompt in enumerate(asked) if isinstance(prompt, str) and ids[row]), None)
        start = [] if plain is None else leading_ids(self.tokenizer, texts[plain], ids[plain])
        leading = [len(start) if isinstance(prompt, str) else 0 for prompt in asked]
        ids = [[*start, *each] if count else each for each, count in zip(ids, leading, strict=True)]
        for each, name in zip(ids, names, strict=True):
            if not each:
                raise ValueError(f"{name}: {called(self.tokenizer)} has no token for the prompt")
        return Opened(asked, texts, self.within(ids, names), leading, names)

    def prompt_ids(self, prompts: Sequence[Prompt]) -> list[Ids]:
        """Tokens of each prompt, up to where the answer begins; see `opened`."""
        return self.opened(prompts).ids

    def answer_ids(
        self, prompts: Sequence[Prompt] | Opened, answers: Sequence[str | None], *, closed: bool = True
    ) -> list[Ids]:
        """Tokens of each answer behind its prompt; of None, no tokens.

        `closed`: with the token that ends the turn, which a policy has to learn, and nothing behind it; reward heads
        read answers without it. Raises `ValueError` that names the row where `opened` does, where the template begins
        the prompt otherwise once the answer is there, where no tokens give the text, and on `closed` without any end.
        """
        opened = prompts if isinstance(prompts, Opened) else self.opened(prompts)
        given = [row for row, answer in enumerate(answers) if answer is not None and (answer or closed)]
        pieces = [named(opened.names[row], self._written, opened, row, str(answers[row]), closed) for row in given]
        starts = [(opened.texts[row], opened.ids[row][opened.leading[row] :]) for row in given]
        tails = tail_ids(self.tokenizer, starts, [text for text, _ in pieces], [opened.names[row] for row in given])
        result: list[Ids] = [[] for _ in answers]
        for row, tail, (_, turn) in zip(given, tails, pieces, strict=True):
            result[row] = named(opened.names[row], self._ended, tail, turn) if closed else tail
        return self.within(result, opened.names)

    def conversation_ids(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Ids]:
        """Tokens of each prompt and its answer as one text, which is what reward models are trained on.

        Raises `ValueError` that names the row where template or tokenizer refuse it.
        """
        names = names_of(prompts, None)
        result: list[Ids] = [[] for _ in names]
        for special in (True, False):
            rows = [row for row, prompt in enumerate(prompts) if isinstance(prompt, str) == special]
            there = [names[row] for row in rows]
            texts = [named(names[row], self._whole, prompts[row], answers[row]) for row in rows]
            for row, ids in zip(rows, tokens(self.tokenizer, texts, there, special=special), strict=True):
                result[row] = ids
        return self.within(result, names)

    def text(self, ids: Sequence[int], prompt: Prompt | None = None) -> str:
        """The text of tokens, without the token that ends an answer.

        `prompt`: the one that they answer; what the template writes around an answer's text is then left out too.
        """
        ended = len(ids) > 0 and ids[-1] in self._ends
        text = self._decoded([*(ids[:-1] if ended else ids)])
        turn = None if prompt is None or isinstance(prompt, str) else self._turns.get(continues(prompt))
        if turn is None:
            return text
        text = text.removesuffix(turn.gap) if ended else text
        return text.removeprefix(turn.before) if self.skip_special_tokens else text

    def _whole(self, prompt: Prompt, answer: str) -> str:
        return prompt + answer if isinstance(prompt, str) else self.template.whole(prompt, answer)

    def _written(self, opened: Opened, row: int, answer: str, closed: bool) -> tuple[str, Turn | None]:
        """What stands behind the opened prompt, up to the token that ends the turn (`closed`) or the answer's text."""
        prompt, start = opened.prompts[row], opened.texts[row]
        if isinstance(prompt, str):
            return answer, None
        tail, turn = self.template.tail(start, self.template.whole(prompt, answer)), self._turn(prompt, start, answer)
        if not tail.endswith(turn.after):  # this conversation is closed otherwise than the first one
            turn = self._turn(prompt, start, answer, again=True)
            if not tail.endswith(turn.after):
                raise ValueError(f"the chat template closes this answer otherwise than others: {tail[-40:]!r}")
        body = tail[: len(tail) - len(turn.after)]
        if answer.strip() not in body and "".join(answer.split()) not in "".join(body.split()):
            self.rewritten.add(opened.names[row])
        return (body + turn.gap + (turn.end or "") if closed else body), turn

    def _turn(self, prompt: Sequence[Message], opened: str, answer: str = "", *, again: bool = False) -> Turn:
        """How answers to such prompts are written, read off one of them and kept for the next ones."""
        kind = continues(prompt)
        if again or kind not in self._turns:
            self._turns[kind] = turn = self.template.turn(prompt, opened, answer)
            if turn.end_id is not None:
                self._ends.add(turn.end_id)
        return self._turns[kind]

    def _ended(self, ids: Ids, turn: Turn | None) -> Ids:
        """The answer's tokens up to the end of its turn; or with an end-of-sequence token, if it has no other end."""
        end = self.tokenizer.eos_token_id if turn is None or turn.end is None else turn.end_id
        if end is None:
            raise ValueError("the tokenizer has no end-of-sequence token, so the end of an answer can't be learned")
        if turn is None or turn.end is None:
            ids = [*ids, end]
        elif end not in ids:
            raise ValueError(f"the tokenizer does not read {turn.end!r}, which ends a turn, as the token {end}")
        kept = len(ids) - ids[::-1].index(end)
        while kept > 1 and ids[kept - 2] == end:  # an answer in the data that had its end already
            kept -= 1
        return ids[:kept]

    def _decoded(self, ids: Ids) -> str:
        text = str(self.tokenizer.decode([*self._anchor, *ids], skip_special_tokens=self.skip_special_tokens))
        return text[1:] if self._anchor else text

    @cached_property
    def _anchor(self) -> Ids:
        return blank_keeper(self.tokenizer)

    def within(self, sequences: list[Ids], names: Sequence[str]) -> list[Ids]:
        """The same tokens. Raises `ValueError` with the row's name on an id that the model has no embedding for."""
        if self.rows is not None:
            require_embeddings(self.tokenizer, sequences, names, self.rows)
        return sequences


def context_of(model: Any, tokenizer: Tokenizer) -> int:
    """The most tokens of prompt and answer together: the smaller of the model's limit and the tokenizer's."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(min(tokenizer.model_max_length, positions or tokenizer.model_max_length))
