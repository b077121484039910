"""Writes the committed sample: made-up customers of which some leave.

    python -m crisol.models.tabular.data.sample

Nobody was observed. Who leaves depends on things together: a price that is high for how much is
used, young people on long contracts, many calls to support unless they were answered quickly, much
use on short contracts and little on long ones, and spring in some cities. A comment tells a little.
No single column says much, and straight lines miss most of it. Cells are missing here and there, as
they are in real tables.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

CUSTOMERS = 2000
SEED = 7
CITIES = ("Arvela", "Brimholt", "Cassine", "Dorvale", "Esquera", "Fenwick")
PLANS = ("basic", "plus", "premium")
PAYMENTS = ("card", "transfer", "cash", "wallet")
PRAISE = ("works well", "good value for us", "nice people on the phone", "happy so far")
BLAME = ("too slow in the evening", "thinking of another offer", "the bill was wrong twice",
         "nobody calls back")  # fmt: skip
PLAIN = ("moved last month", "uses it at work", "asked for an invoice", "prefers mail",
         "has two lines")  # fmt: skip
MISSING = {"age": 0.04, "monthly_gb": 0.06, "payment": 0.03, "comment": 0.45}

README = """# sample_customers.csv is synthetic

Made by `python -m crisol.models.tabular.data.sample` from a random generator with a fixed seed.
No such customers, cities or plans exist. Who leaves (`churned`) follows a hidden rule in which
columns act
together (see the module's docstring), so that a model that sees interactions can be told from one
that does not. Nothing measured on this table says anything about real customers.
"""


def customers(count: int = CUSTOMERS, seed: int = SEED) -> pd.DataFrame:
    """Synthetic customers and whether each left (``churned``)."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 80, count)
    plan = random.choice(3, count, p=[0.5, 0.3, 0.2])
    months = random.choice([1, 12, 24], count, p=[0.4, 0.35, 0.25])
    used = np.round(random.gamma(2.0, 12.0, count) * (1 + 0.5 * plan), 1)
    price = np.round(9.9 + 10 * plan + random.normal(0, 4, count).clip(-6, 9), 2)
    calls = random.poisson(1.6, count)
    wait = np.round(random.gamma(2.0, 3.0, count), 1)
    start = np.datetime64("2021-01-01") + random.integers(0, 1400, count)
    month = start.astype("datetime64[M]").astype(int) % 12 + 1
    app = random.random(count) < 0.55
    city = random.choice(len(CITIES), count)
    payment = random.choice(len(PAYMENTS), count, p=[0.5, 0.25, 0.1, 0.15])
    dear = price / (used + 5)
    angry = (calls >= 2) & (wait > 6)
    bound = (age < 34) & (months == 24)
    spring = np.isin(month, (3, 4, 5)) & (city % 2 == 0)
    weight = (
        2.6 * (dear > 0.75)
        + 2.8 * angry
        + 2.4 * bound
        + 2.0 * spring
        - 1.8 * (app & (age > 55))
        - 2.2 * ((plan == 2) & (dear < 0.6))
        + 0.8 * (payment == 2)
        + 2.0 * ((months == 1) ^ (used > 26))
        - 2.4
    )
    left = random.random(count) < 1 / (1 + np.exp(-2.2 * weight))
    comment = np.where(
        random.random(count) < 0.25,
        np.where(left, random.choice(BLAME, count), random.choice(PRAISE, count)),
        random.choice(PLAIN + PRAISE[:1] + BLAME[:1], count),
    )
    table = pd.DataFrame(
        {
            "customer_id": [f"C{number:05d}" for number in random.permutation(count) + 10_000],
            "age": age,
            "city": np.array(CITIES)[city],
            "plan": np.array(PLANS)[plan],
            "contract_months": months,
            "monthly_price": price,
            "monthly_gb": used,
            "support_calls": calls,
            "wait_minutes": wait,
            "uses_app": np.where(app, "yes", "no"),
            "payment": np.array(PAYMENTS)[payment],
            "signed_up": start.astype(str),
            "comment": _notes(comment, random),
            "churned": np.where(left, "yes", "no"),
        }
    )
    for name, share in MISSING.items():
        table[name] = table[name].astype(object).where(random.random(count) >= share, None)
    return table


def _notes(comments: np.ndarray, random: np.random.Generator) -> list[str]:
    """Comments with a second half, so that hardly two are the same."""
    since = random.integers(1, 60, len(comments))
    ends = random.choice(PLAIN, len(comments))
    return [f"{c}, {e}, {n} months" for c, e, n in zip(comments, ends, since, strict=True)]


def write(directory: Path) -> Path:
    """Write ``sample_customers.csv`` and the note beside it; the same every time."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / "sample_customers.csv"
    customers().to_csv(target, index=False, lineterminator="\n")
    (directory / "sample_README.md").write_text(README)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("data/01_raw/tabular"))
    write(parser.parse_args().directory)
