"""OpenVINO graphs, wheels and folders: what is read, and what is refused."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators import load_generator, read_discriminator, read_encoder, read_generator
from ganinvert.generators.mobilestylegan.layout import from_openvino
from ganinvert.weights import TensorFile, reading
from ganinvert.weights import wheel as wheel_module
from ganinvert.weights.catalog import RANDOM_FACE
from ganinvert.weights.openvino import Graph
from ganinvert.weights.wheel import read_files

from .openvino_files import DATA, Writer, digests, files, mapping, synthesis, tiny, wheel

EMPTY = b'<net name="x" version="10"><layers/><edges/></net>'


def test_the_graphs_give_the_weights() -> None:
    state = tiny().state_dict()
    graphs = [Graph(graph.xml, graph.binary) for graph in (mapping(state), synthesis(state))]
    read = from_openvino(*graphs)
    assert read.keys() == state.keys() - {"mapping.mean", "mapping.deviation"}
    for key, value in read.items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (b'<!DOCTYPE net [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + EMPTY, "document type or entities"),
        (b'<!DOCTYPE net SYSTEM "file:///etc/passwd">' + EMPTY, "document type or entities"),
        (EMPTY.decode().encode("utf-16"), "not UTF-8"),
        (EMPTY.decode().encode("utf-16-le"), "document type or entities"),
        (b'<?xml version="1.0" encoding="cp037"?>' + b"<!DOCTYPE a>".decode().encode("cp037"), "XML"),
        (b"<net><layers>", "cannot be read"),
        (b"", "cannot be read"),
        (b"<html/>", "not a graph of OpenVINO"),
        (b'<net version="11"/>', "not a graph of OpenVINO"),
        (b" " * (5 << 20) + EMPTY, "more than any known graph"),
        (EMPTY.replace(b"<edges/>", b'<edges><edge to-layer="1" to-port="x"/></edges>'), "not a number"),
    ],
    ids=[
        "bomb",
        "external",
        "utf-16",
        "utf-16 without mark",
        "ebcdic",
        "cut",
        "empty",
        "page",
        "newer",
        "long",
        "port",
    ],
)
def test_hostile_xml_is_refused(xml: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        Graph(xml, b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('element_type="f32" shape="4" offset="4" size="16"', "ends at byte 20 of 16"),
        ('element_type="f32" shape="4" offset="999999999999" size="16"', "cut short"),
        ('element_type="f32" shape="4" offset="-4" size="16"', "not a number"),
        ('element_type="f32" shape="4" offset="0" size="12"', "which its shape does not make"),
        ('element_type="f32" shape="2, 0" offset="0" size="0"', "which its shape does not make"),
        ('element_type="f32" shape="-2, -2" offset="0" size="16"', "float32 numbers of a shape"),
        ('element_type="f16" shape="8" offset="0" size="16"', "float32 numbers"),
        ('element_type="i64" shape="2" offset="0" size="16"', "float32 numbers"),
        ('element_type="f32" shape="4" offset="0"', "size is ''"),
    ],
)
def test_constants_that_lie_are_refused(data: str, message: str) -> None:
    graph = Writer()
    graph.add("Const", name="a", data=data)
    read = Graph(graph.xml, bytes(16))
    with pytest.raises(WeightsError, match=message):
        read.values(read.named("a"))


def test_graphs_of_other_networks_are_refused() -> None:
    graph = Writer()
    graph.add("MatMul", graph.add("Parameter"), graph.constant(torch.ones(2, 2)))
    with pytest.raises(WeightsError, match="no Add follows"):
        from_openvino(Graph(graph.xml, graph.binary), Graph(EMPTY, b""))
    with pytest.raises(WeightsError, match=r"no constant m\.input\.input"):
        from_openvino(Graph(EMPTY, b""), Graph(EMPTY, b""))
    alone = Writer()
    alone.add("MatMul", alone.add("Parameter"))
    with pytest.raises(WeightsError, match="takes no constant"):
        from_openvino(Graph(alone.xml, b""), Graph(EMPTY, b""))


def test_wheels_and_their_folders_are_read(tmp_path: Path) -> None:
    contents = {"a/b/x.bin": b"x", "a/b/y.bin": b"yy"}
    expected = dict(digests(contents))
    assert read_files(wheel(tmp_path / "a.whl", contents), expected) == contents
    for n, depth in enumerate(("a/b", "b", "")):
        folder = tmp_path / str(n) / depth
        folder.mkdir(parents=True)
        for name, content in contents.items():
            (folder / Path(name).name).write_bytes(content)
        assert read_files(tmp_path / str(n), expected) == contents


@pytest.mark.parametrize(
    ("extra", "message"),
    [("../evil", "outside of its folder"), ("/evil", "outside"), ("a\\..\\evil", "outside"), ("C:evil", "outside")],
)
def test_wheels_that_would_write_elsewhere_are_refused(extra: str, message: str, tmp_path: Path) -> None:
    path = wheel(tmp_path / "a.whl", {"x": b"x", extra: b"evil"})
    with pytest.raises(WeightsError, match=message):
        read_files(path, dict(digests({"x": b"x"})))


def test_damaged_wheels_and_folders_are_refused(tmp_path: Path) -> None:
    contents = {"a/x.bin": bytes(range(256)) * 40}
    expected = dict(digests(contents))
    whole = wheel(tmp_path / "a.whl", contents).read_bytes()
    (tmp_path / "flipped.whl").write_bytes(whole[:60] + bytes(len(whole) // 3) + whole[60 + len(whole) // 3 :])
    with pytest.raises(WeightsError, match="cannot be read"):
        read_files(tmp_path / "flipped.whl", expected)
    (tmp_path / "cut.whl").write_bytes(whole[:-40])
    with pytest.raises(WeightsError, match="cannot be read"):
        read_files(tmp_path / "cut.whl", expected)
    with pytest.raises(WeightsError, match=r"holds random_face 2021\.8\.0 without a/x.bin"):
        read_files(wheel(tmp_path / "other.whl", {"a/y.bin": b""}, version="2021.8.0"), expected)
    with pytest.raises(WeightsError, match=r"SHA-256 of a/x\.bin begins with"):
        read_files(wheel(tmp_path / "changed.whl", {"a/x.bin": b"other"}), expected)
    with pytest.raises(WeightsError, match=r"is a folder without a/x\.bin"):
        read_files(tmp_path, expected)


def test_members_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module, "LARGEST", 1000)
    contents = {"x": bytes(100_000)}
    path = wheel(tmp_path / "a.whl", contents)
    with pytest.raises(WeightsError, match="unpacks to more"):
        read_files(path, dict(digests(contents)))
    stated, whole = (100_000).to_bytes(4, "little"), path.read_bytes()
    assert stated in whole
    path.write_bytes(whole.replace(stated, (10).to_bytes(4, "little")))  # its directory lies
    with pytest.raises(WeightsError, match=r"cannot be read|unpacks to more|SHA-256"):
        read_files(path, dict(digests(contents)))
    (tmp_path / "x").write_bytes(contents["x"])
    with pytest.raises(WeightsError, match="larger than it should be"):
        read_files(tmp_path, dict(digests(contents)))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files of a tiny network, which is known as the published one."""
    contents = files(tiny().state_dict())
    monkeypatch.setattr(reading, "RANDOM_FACE", replace(RANDOM_FACE, members=digests(contents)))
    return contents


def test_a_wheel_that_holds_a_small_network_does_not_fit_the_known_statistics(
    published: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"mapping\.mean has shape \(512,\), not \(6,\)") as caught:
        read_generator(wheel(tmp_path / "a.whl", published))
    assert str(tmp_path / "a.whl") in caught.value.message


def test_a_bomb_with_the_right_digest_is_refused_too(
    published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = published | {f"{DATA}MappingNetwork.xml": b'<!DOCTYPE net [<!ENTITY a "ha">]>' + EMPTY}
    monkeypatch.setattr(reading, "RANDOM_FACE", replace(RANDOM_FACE, members=digests(bomb)))
    with pytest.raises(WeightsError, match="document type"):
        read_generator(wheel(tmp_path / "a.whl", bomb))
    cut = published | {f"{DATA}SynthesisNetwork.bin": published[f"{DATA}SynthesisNetwork.bin"][:-4]}
    monkeypatch.setattr(reading, "RANDOM_FACE", replace(RANDOM_FACE, members=digests(cut)))
    with pytest.raises(WeightsError, match="cut short"):
        read_generator(wheel(tmp_path / "a.whl", cut))


def test_a_wheel_is_no_torch_file_and_no_other_zip_is_a_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"a")
    with pytest.raises(WeightsError, match="is a zip archive of other files"):
        read_generator(tmp_path / "a.zip")


def test_our_own_file_gives_the_same_network_and_says_what_it_lacks(tmp_path: Path) -> None:
    network = tiny()
    network.about = {"licence": "some"}
    network.save(tmp_path / "a.safetensors")
    again = load_generator(tmp_path / "a.safetensors")
    assert (again.digest, again.licence, again.about["format"]) == (network.digest, "some", "canonical")
    codes = again.space("w+").sample(2, torch.Generator().manual_seed(0))
    assert torch.equal(again(codes, "w+"), network(codes, "w+"))
    for read in (read_discriminator, read_encoder):
        with pytest.raises(MissingNetworkError):
            read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("key", ["layers.1.depthwise", "mapping.layers.0.weight", "constant", "mapping.mean"])
def test_incomplete_and_unfit_files_are_refused(key: str, tmp_path: Path) -> None:
    for change in (lambda _: None, lambda value: value[..., :1], lambda value: value * torch.nan):
        state = tiny().state_dict()
        value = change(state.pop(key))
        if value is not None:
            state[key] = value
        TensorFile(state, tiny().header).save(tmp_path / "a.safetensors")
        with pytest.raises(WeightsError):
            read_generator(tmp_path / "a.safetensors")
