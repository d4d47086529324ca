"""A side that does nothing, for tests of the driver: `python fake_side.py KIND SECONDS WORKLOADS`."""

import json
import sys

kind, seconds, workloads = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
index = steps = 0
for line in sys.stdin:
    order = json.loads(line)
    workload = workloads[order.get("index", index)]
    if order["do"] == "load":
        index, answer = order["index"], {"ready": True}
    elif order["do"] == "finish":
        answer = {"peak_mib": 100.0 * seconds, "loaded_mib": 50.0}
    else:
        steps += 1
        if kind == "dies" and steps == 3:
            raise MemoryError("no room left")
        tokens = workload["prompts"] * workload["group"] * workload["length"]
        took = seconds * (10 if steps == 1 else 1)  # the first step is slow, as first steps are
        parts = dict.fromkeys(("generation", "forward", "backward", "optimizer"), took / 5)
        answer = {
            "seconds": took,
            "cpu_seconds": took / 2,
            "parts": parts,
            "tokens": tokens,
            "threads": workload["threads"],
        }
        if kind == "short":
            answer["tokens"] -= 1
        if kind == "threaded":
            answer["threads"] += 1
        if kind == "blind":
            parts["forward"] = 0.0
    print(json.dumps(answer), flush=True)
