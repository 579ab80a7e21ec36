"""`python -m tests.random_models.fuzz N [FIRST]`: N models from a seed on; failures are kept.

A failure is shrunk and written to found/, where the tests find it.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from tests.random_models.agreement import outcome
from tests.random_models.generate import spec_of
from tests.random_models.shrink import shrunk

FOUND = Path(__file__).parent / "found"


def main(count: int, first: int, keep: Path) -> int:
    kinds: Counter[str] = Counter()
    began = time.perf_counter()
    for seed in range(first, first + count):
        text = spec_of(seed)
        result = outcome(text, seed)
        kinds[result.kind] += 1
        if result.failed and kinds[result.kind] <= 3:
            small = shrunk(text, lambda each: outcome(each, seed).kind == result.kind)  # noqa: B023
            again = outcome(small, seed)
            path = keep / f"seed_{seed}.nn"
            path.parent.mkdir(parents=True, exist_ok=True)
            said = " ".join(again.what.split())[:300]
            path.write_text(f"# seed {seed}: {again.kind}\n# {said}\n{small}", encoding="utf-8")
            print(f"seed {seed}: {again.kind}: {said}\n{small}", flush=True)
        if (seed - first) % 100 == 99:
            rate = (seed - first + 1) / (time.perf_counter() - began)
            print(f"{seed - first + 1}: {dict(kinds)}, {rate:.1f} a second", flush=True)
    print(f"{count} random models: {dict(kinds)}")
    return int(any(kind not in ("agrees", "undetermined", "empty") for kind in kinds))


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(
        main(
            int(words[0]) if words else 200,
            int(words[1]) if len(words) > 1 else 0,
            Path(words[2]) if len(words) > 2 else FOUND,
        )
    )
