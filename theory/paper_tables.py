"""The paper's tables 1 to 3, as printed: the only numbers here that were not computed."""

METHODS = ("SFT", "DPO", "PPO", "GRPO", "GRAO")
MODELS = ("Qwen2.5-7B", "Moonlight-16B")
Cell = tuple[float, float, float, float]  # RAS %, its ±, NAG %, its ±

# data set -> method -> a cell for each model
TABLES: dict[str, dict[str, tuple[Cell, Cell]]] = {
    "helpful": {  # table-1
        "SFT": ((30.95, 0.8, 0.28, 1.2), (43.45, 0.7, -1.64, 1.0)),
        "DPO": ((57.75, 0.7, 54.12, 1.1), (56.24, 0.6, 26.20, 0.9)),
        "PPO": ((60.87, 0.9, 60.27, 0.9), (64.37, 0.6, 40.35, 0.7)),
        "GRPO": ((60.89, 0.6, 60.74, 1.0), (68.89, 0.5, 50.82, 0.7)),
        "GRAO": ((64.60, 0.5, 67.98, 0.8), (70.84, 0.4, 55.06, 0.6)),
    },
    "harmless": {  # table-2
        "SFT": ((51.43, 0.7, 0.61, 1.0), (60.52, 0.6, 0.34, 0.9)),
        "DPO": ((61.86, 0.6, 25.32, 0.9), (62.49, 0.5, 3.98, 0.7)),
        "PPO": ((66.11, 0.8, 27.79, 0.8), (70.97, 0.4, 20.16, 0.6)),
        "GRPO": ((65.61, 0.5, 28.26, 0.7), (68.08, 0.7, 12.11, 0.5)),
        "GRAO": ((68.01, 0.4, 31.06, 0.6), (76.82, 0.3, 34.85, 0.4)),
    },
}

# table-3: NAG % on helpful for each model, and the change as printed
ABLATION = {
    "full": (67.98, 55.06),
    "without imitation": (63.79, 49.87),
    "without exploration": (64.38, 43.86),
    "without regulariser": (61.18, 46.26),
}
PRINTED_CHANGE = {"without imitation": -7.79, "without exploration": -12.81, "without regulariser": -12.98}
ERRORS = dict.fromkeys(ABLATION, (TABLES["helpful"]["GRAO"][0][3], TABLES["helpful"]["GRAO"][1][3]))  # table-1's

ABSTRACT = {"SFT": 57.70, "DPO": 17.65, "PPO": 7.95, "GRPO": 5.18}  # claim-11: relative improvement, %
TEST_PROMPTS = {"helpful": 2354, "harmless": 2312}  # the data set's own test splits
