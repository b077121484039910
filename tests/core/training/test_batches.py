import pytest
import torch

from crisol.core.training.batches import TensorBatches, count_rows


def rows_of(batches):
    return [batch[0].tolist() for batch in batches]


def test_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        batches = TensorBatches((torch.arange(20),), 6, shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        torch.rand(3)
        return rows_of(batches)

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)
    assert sorted(row for batch in order(1, 5) for row in batch) == list(range(20))


def test_tensors_stay_aligned_and_mappings_stay_mappings():
    x = torch.arange(10)
    batches = TensorBatches({"x": x, "y": x * 2}, 4, shuffle=True)
    for batch in batches:
        assert torch.equal(batch["y"], 2 * batch["x"])
    assert count_rows(batch) == 2


def test_a_last_batch_that_is_not_full_can_be_left_out():
    batches = TensorBatches((torch.arange(10),), 4, drop_last=True)
    assert len(batches) == 2
    assert rows_of(batches) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(ValueError, match="drop_last: 3 rows do not fill"):
        TensorBatches((torch.arange(3),), 4, drop_last=True)


@pytest.mark.parametrize("shuffle", [True, False])
def test_processes_share_the_very_batches_of_one_process(shuffle):
    whole = TensorBatches((torch.arange(22),), 8, shuffle=shuffle, seed=5)
    shares = [rows_of(whole.shard(rank, 2, even=True)) for rank in range(2)]
    for batch, a, b in zip(rows_of(whole), *shares, strict=True):
        assert len(a) == len(b)
        assert set(a) | set(b) == set(batch)


def test_a_ragged_last_batch_is_filled_up_for_training_only():
    whole = TensorBatches((torch.arange(9),), 4)
    even = [rows_of(whole.shard(rank, 2, even=True)) for rank in range(2)]
    assert [len(share[-1]) for share in even] == [1, 1]
    exact = [rows_of(whole.shard(rank, 2, even=False)) for rank in range(2)]
    assert sorted(row for share in exact for batch in share for row in batch) == list(range(9))


def test_bad_shares_are_refused():
    with pytest.raises(ValueError, match="batch_size: 5 cannot be divided among 2 processes"):
        TensorBatches((torch.arange(9),), 5).shard(0, 2, even=True)
    with pytest.raises(ValueError, match="1 rows do not suffice for 2"):
        TensorBatches((torch.arange(1),), 2).shard(0, 2, even=False)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((), "at least one tensor"),
        ((torch.zeros(2), torch.zeros(3)), r"same number of rows, these have \[2, 3\]"),
        ((torch.zeros(0),), "no rows"),
    ],
)
def test_bad_tensors_are_refused(tensors, message):
    with pytest.raises(ValueError, match=message):
        TensorBatches(tensors, 2)


def test_rows_are_counted_in_nested_batches_too():
    assert count_rows(torch.zeros(3, 2)) == 3
    assert count_rows({"ids": [torch.zeros(4)]}) == 4
    with pytest.raises(TypeError, match="must be a tensor"):
        count_rows(["text"])
