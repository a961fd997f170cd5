"""El reparto: cada evento es de una parte y solo de una, la misma en todas partes y siempre."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.domain.shard import MAX_SHARDS, Shard

IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


COUNTS = st.integers(1, MAX_SHARDS)


def everyone(count: int) -> list[Shard]:
    """Todas las partes."""
    return [Shard(number, count) for number in range(1, count + 1)]


@given(key=IDS, count=COUNTS)
def test_each_event_belongs_to_exactly_one_part(key: str, count: int) -> None:
    """Con cualquier identificador y cualquier número de partes, hay una que lo tiene, y es la que dice `owner`."""
    owners = [shard for shard in everyone(count) if shard.owns(key)]

    assert owners == [Shard(1, count).owner(key)]


@pytest.mark.parametrize(
    ("key", "of_two", "of_eight", "of_a_thousand"),
    [
        ("1", 2, 8, 584),
        ("2", 2, 6, 438),
        ("7", 1, 3, 347),
        ("123456", 2, 2, 162),
        ("algebra-2", 2, 6, 670),
        ("3f2b8c1e-0d4a-4a57-9f7e-5b1d2c3a4e5f", 1, 1, 753),
        ("-", 1, 1, 145),
    ],
)
def test_whose_an_event_is_never_changes(key: str, of_two: int, of_eight: int, of_a_thousand: int) -> None:
    """De quién es cada evento no cambia de una versión a otra: dos a la vez dejarían eventos sin hacer."""
    found = [Shard(1, count).owner(key).number for count in (2, 8, 1000)]

    assert found == [of_two, of_eight, of_a_thousand]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 8, 10, 64])
@pytest.mark.parametrize("numbers", [range(1, 20_001), range(7, 200_007, 10), range(0, 160_000, 8)], ids=str)
def test_the_parts_of_consecutive_numbers_are_alike(numbers: range, count: int) -> None:
    """De 20 000 identificadores seguidos, o de diez en diez, ninguna parte tiene un 10 % más o menos que otra."""
    sizes = Counter(Shard(1, count).owner(str(number)).number for number in numbers)

    share = len(numbers) / count
    assert len(sizes) == count
    assert min(sizes.values()) > 0.9 * share
    assert max(sizes.values()) < 1.1 * share
