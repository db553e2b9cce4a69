from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from ganinvert import paths
from ganinvert.errors import OutputError, UsageError, WeightsError
from ganinvert.figures import draw_discovery
from ganinvert.generators import PGGANGenerator
from ganinvert.settings import DISCOVERY, Discovery
from ganinvert.subspaces import (
    SelfExpression,
    SubspacePartition,
    affinity_matrix,
    cluster_channels,
    discovered,
    find_partition,
    learn_self_expression,
    prefer,
    store,
)
from ganinvert.subspaces.self_expression import _expected_feature_loss, _second_moments

QUICK = Discovery(steps=60, lr=1e-2, batch=4, moment_codes=64)


def planted(sizes: tuple[int, ...] = (40, 30, 18, 12), noise: float = 0.02) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix whose channels express one another only within shuffled blocks, and the blocks."""
    rng = torch.Generator().manual_seed(3)
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=rng)]
    same = (labels[:, None] == labels).float()
    matrix = same * (0.5 + torch.rand(same.shape, generator=rng)) + noise * torch.rand(same.shape, generator=rng)
    return matrix * (1 - torch.eye(len(labels))), labels


@pytest.mark.parametrize("kind", ["paper", "thresholded"])
def test_planted_blocks_are_found(kind: str) -> None:
    matrix, labels = planted()
    found = cluster_channels(matrix, 4, kind=kind)
    assert adjusted_rand_score(found.labels, labels) == 1
    assert found.stability == 1
    assert torch.bincount(found.labels).tolist() == [40, 30, 18, 12]


@pytest.mark.parametrize("kind", ["paper", "thresholded"])
def test_affinities_are_symmetric_and_not_negative(kind: str) -> None:
    affinity = affinity_matrix(torch.randn(20, 20, generator=torch.Generator().manual_seed(0)), 3, kind)
    assert np.allclose(affinity, affinity.T)
    assert affinity.min() >= 0


def test_thresholding_keeps_a_fifth_of_each_column() -> None:
    from ganinvert.subspaces.clustering import _keep_largest

    column = np.array([[4.0], [-10.0], [3.0], [2.0], [1.0]])
    # A fifth of the L1 norm of 20 is 4: the largest entry alone reaches it.
    assert _keep_largest(column, share=0.2).T.tolist() == [[0, -10, 0, 0, 0]]
    assert _keep_largest(column, share=0.6).T.tolist() == [[4, -10, 0, 0, 0]]


@pytest.mark.parametrize("subspaces", [0, -1, 101])
def test_impossible_numbers_of_subspaces(subspaces: int) -> None:
    with pytest.raises(UsageError, match="subspaces cannot be made of 100 channels"):
        cluster_channels(planted()[0], subspaces, kind="paper")


def test_trivial_numbers_of_subspaces() -> None:
    assert cluster_channels(planted()[0], 1, kind="paper").labels.tolist() == [0] * 100
    assert cluster_channels(planted()[0], 100, kind="paper").labels.tolist() == list(range(100))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["celebahq", "bedroom"])
def test_the_authors_matrices_cluster_as_measured(name: str, assets: Path) -> None:
    matrix = torch.from_numpy(np.load(assets / "pmsfc-official" / f"self_expression_{name}_layer3_iter50.npy"))
    paper, thresholded = (cluster_channels(matrix, 6, kind=kind) for kind in ("paper", "thresholded"))
    assert thresholded.stability > 0.9
    assert thresholded.stability > paper.stability
    # The two affinities see different structure in the same matrix.
    assert 0.05 < adjusted_rand_score(paper.labels, thresholded.labels) < 0.25
    assert sum(torch.bincount(thresholded.labels)) == 512


def test_learning_lowers_the_losses_with_a_zero_diagonal(small: PGGANGenerator) -> None:
    steps = []
    learned = learn_self_expression(small, QUICK, callback=steps.append)
    assert learned.matrix.shape == (8, 8)
    assert torch.equal(learned.matrix.diagonal(), torch.zeros(8))
    assert len(steps) == len(learned.losses) == 60
    assert learned.losses[-5:, 1].mean() < 0.8 * learned.losses[0, 1]
    assert float(steps[7].image_loss) == float(learned.losses[7, 1])
    papers = replace(QUICK, image_weight=0.0, moment_codes=0, steps=150)
    features = learn_self_expression(small, papers).losses[:, 0]
    assert features[-20:].mean() < 0.8 * features[:20].mean()


def test_the_convex_start_is_the_minimum_without_images(small: PGGANGenerator) -> None:
    settings = replace(QUICK, image_weight=0.0, sparsity_weight=0.0, steps=1)
    expected_loss = learn_self_expression(small, settings).losses[0, 0]
    moments = _second_moments(small, settings, torch.Generator().manual_seed(settings.seed)).double()
    # Each channel's least squares on the others leaves 1 / (M⁻¹)ⱼⱼ.
    assert float(expected_loss) == pytest.approx(float((1 / torch.linalg.inv(moments).diagonal()).sum()), rel=1e-2)


def test_the_expected_feature_loss_is_the_mean_over_codes(small: PGGANGenerator, rng: torch.Generator) -> None:
    """The loss from second moments is eq. 3 written out for the same codes."""
    matrix = torch.randn(8, 8, generator=rng)
    h = (
        small.features(torch.randn(100, 12, generator=torch.Generator().manual_seed(0)), 3)
        .features.flatten(2)
        .transpose(1, 2)
    )
    written_out = (h - h @ matrix).square().sum() / 100
    moments = _second_moments(small, replace(QUICK, moment_codes=100), torch.Generator().manual_seed(0))
    assert moments is not None
    assert torch.allclose(_expected_feature_loss(moments, torch.eye(8) - matrix), written_out, rtol=1e-4)


def test_learning_is_repeatable_and_depends_on_the_seed(small: PGGANGenerator) -> None:
    first, second, other = (
        learn_self_expression(small, replace(QUICK, steps=3, seed=seed)).matrix for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_paper_preset_is_the_papers() -> None:
    paper = DISCOVERY["paper"]
    assert (paper.steps, paper.lr, paper.image_weight, paper.sparsity_weight) == (3000, 1e-4, 10, 1)
    assert (paper.schedule, paper.moment_codes) == ("constant", 0)


@pytest.mark.parametrize("layer", [6, 7])
def test_layers_without_subspaces(small: PGGANGenerator, layer: int) -> None:
    with pytest.raises(UsageError, match=f"layer {layer}"):
        learn_self_expression(small, replace(QUICK, layer=layer))


def test_files_keep_everything(small: PGGANGenerator, tmp_path: Path) -> None:
    learned = learn_self_expression(small, replace(QUICK, steps=2))
    learned.save(tmp_path / "s.safetensors")
    loaded = SelfExpression.load(tmp_path / "s.safetensors")
    assert torch.equal(loaded.matrix, learned.matrix)
    assert (loaded.settings, loaded.layer, loaded.digest) == (learned.settings, 3, small.digest)
    with pytest.raises(WeightsError, match="does not hold subspace masks"):
        SubspacePartition.load(tmp_path / "s.safetensors")
    partition = cluster_channels(learned.matrix, 2, kind="paper")
    partition.save(tmp_path / "m.safetensors")
    assert torch.equal(SubspacePartition.load(tmp_path / "m.safetensors").labels, partition.labels)
    with pytest.raises(WeightsError, match="does not hold a self-expression"):
        SelfExpression.load(tmp_path / "m.safetensors")


def test_discoveries_are_kept_and_found(small: PGGANGenerator, data_dir: Path) -> None:
    with pytest.raises(WeightsError, match="no subspaces have been discovered"):
        find_partition(small, 3, 2, affinity="paper")
    assert find_partition(small, 3, 1, affinity="paper").sizes == [8]
    assert discovered(small, QUICK) is None
    path = store(learn_self_expression(small, QUICK))
    assert path.is_relative_to(data_dir)
    found = discovered(small, QUICK)
    assert found is not None
    assert found[1] == path
    partition = find_partition(small, 3, 2, affinity="paper")
    assert sum(partition.sizes) == 8
    cached = list(data_dir.rglob("*.R2.paper.masks.safetensors"))
    assert len(cached) == 1
    # What is found next time is the file: put another partition there and see it come back.
    SubspacePartition(torch.tensor([0, 1] * 4), "paper").save(cached[0])
    assert find_partition(small, 3, 2, affinity="paper").labels.tolist() == [0, 1] * 4
    # Learning anew drops masks cut from the old matrix.
    store(learn_self_expression(small, QUICK))
    assert not cached[0].exists()


def test_the_embedded_discovery_is_found_without_clustering(portraits: PGGANGenerator, data_dir: Path) -> None:
    partition = find_partition(portraits, 3, 6, affinity="thresholded")
    assert partition.subspaces == 6
    assert sum(partition.sizes) == 128
    assert discovered(portraits, DISCOVERY["default"]) is not None
    assert not data_dir.exists()


def test_the_embedded_masks_are_cut_from_the_embedded_matrix(portraits: PGGANGenerator) -> None:
    expression = SelfExpression.load(paths.embedded("portraits-64.layer3.self-expression.safetensors"))
    again = cluster_channels(expression.matrix, 6, kind="thresholded")
    assert adjusted_rand_score(again.labels, find_partition(portraits, 3, 6, affinity="thresholded").labels) > 0.9


def test_shuffled_masks_have_the_same_sizes() -> None:
    partition = SubspacePartition(torch.tensor([0] * 20 + [1] * 9 + [2] * 3), "paper")
    shuffled = partition.shuffled(seed=1)
    assert shuffled.sizes == partition.sizes
    assert not torch.equal(shuffled.labels, partition.labels)
    assert torch.equal(torch.cat(partition.groups).sort()[0], torch.arange(32))


def test_the_figure_is_a_picture(small: PGGANGenerator, tmp_path: Path) -> None:
    learned = learn_self_expression(small, replace(QUICK, steps=3))
    draw_discovery(learned, cluster_channels(learned.matrix, 2, kind="paper"), tmp_path / "new" / "f.png")
    assert (tmp_path / "new" / "f.png").read_bytes().startswith(b"\x89PNG")


def test_the_last_discovery_is_the_one_that_is_found(small: PGGANGenerator) -> None:
    older, newer = (learn_self_expression(small, replace(QUICK, steps=steps)) for steps in (2, 3))
    first, second = store(older), store(newer)
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    prefer(older, first)
    taken = find_partition(small, 3, 2, affinity="paper")
    assert torch.equal(taken.labels, cluster_channels(older.matrix, 2, kind="paper").labels)
    assert list(first.parent.glob(f"{first.stem}.R2.*"))


def test_damaged_or_unwritable_caches_do_not_stand_in_the_way(
    small: PGGANGenerator, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(learn_self_expression(small, QUICK))
    partition = find_partition(small, 3, 2, affinity="paper")
    next(data_dir.rglob("*.masks.safetensors")).write_bytes(b"damaged")
    assert torch.equal(find_partition(small, 3, 2, affinity="paper").labels, partition.labels)

    def refuse(*_: object) -> None:
        raise OutputError("read-only")

    monkeypatch.setattr(SubspacePartition, "save", refuse)
    assert find_partition(small, 3, 3, affinity="paper").subspaces == 3
