"""Datasets are what they say they are, and what is downloaded is whole and checked or not there.

The downloadable ones are small plants here: files of the right layout, with the checksum tables patched to
theirs, on a server of our own that can be made to fail.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import math
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits
from tqdm import tqdm

from bench.contracts.dataset import Dataset, Images, Split
from bench.datasets import cifar10, datasets, download, fashion_mnist, get
from bench.datasets.data_files import Archive, File, cache_folder
from models.errors import UserError

MODULES: dict[str, ModuleType] = {"fashion-mnist": fashion_mnist, "cifar10": cifar10}
WAIT_SECONDS = 20.0


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Mirror:
    """An HTTP server on this machine; `fault` is what goes wrong with its answers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.fault = ""
        self.halfway = threading.Event()
        self.done = threading.Event()
        mirror = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.removeprefix("/")
        if self.fault == "absent":
            return request.send_error(404)
        content = self.files[name]
        if self.fault == "changed":
            content = content[:-1] + bytes([content[-1] ^ 1])
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.headers["Method"] == "HEAD":  # torchvision's probe for redirects, which closes at once
            return None
        self.asked.append(name)
        if self.fault == "slow":
            time.sleep(0.2)
        half = len(content) // 2 if self.fault in ("truncated", "silent") else len(content)
        request.wfile.write(content[:half])
        request.wfile.flush()
        if self.fault == "silent":
            self.halfway.set()
            self.done.wait(WAIT_SECONDS)
        return None

    def close(self) -> None:
        self.done.set()
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Plant:
    """A small dataset in the layout of a large one."""

    dataset: Dataset
    archive: Archive
    files: dict[str, bytes]
    packed: dict[str, bytes]
    split: Split
    mirror: Mirror = field(default_factory=Mirror)

    @property
    def first(self) -> File:
        return self.archive.files[0]

    def lay(self, folder: Path) -> Path:
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return folder

    def break_first(self, folder: Path) -> None:
        """Change one bit and no size."""
        content = bytearray((folder / self.first.path).read_bytes())
        content[-1] ^= 1
        (folder / self.first.path).write_bytes(content)


def images(n: int, channels: int, side: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (n, channels, side, side), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.randint(10, (n,), generator=generator))


def idx(values: torch.Tensor) -> bytes:
    """As yann.lecun.com/exdb/mnist describes it: 0 0 8 dimensions, the sizes big-endian, the bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.dim()]) + sizes + bytes(values.to(torch.uint8).flatten().tolist())


def plant_fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> Plant:
    split = Split(images(12, 1, 28, seed=1), images(5, 1, 28, seed=2))
    files = {}
    for part, label in ((split.train, "train"), (split.test, "t10k")):
        files[f"FashionMNIST/raw/{label}-images-idx3-ubyte"] = idx(part.images[:, 0])
        files[f"FashionMNIST/raw/{label}-labels-idx1-ubyte"] = idx(part.labels)
    packed = {f"{Path(path).name}.gz": gzip.compress(content) for path, content in files.items()}
    plant = Plant(get("fashion-mnist"), fashion_mnist.ARCHIVE, files, packed, split)
    theirs = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(theirs, "mirrors", [plant.mirror.url])
    monkeypatch.setattr(theirs, "resources", [(name, md5(content)) for name, content in packed.items()])
    return plant


def batch(part: Images) -> bytes:
    flat = part.images.flatten(1).numpy()
    return pickle.dumps({"data": flat, "labels": part.labels.tolist()}, protocol=2)


def plant_cifar10(monkeypatch: pytest.MonkeyPatch) -> Plant:
    names = [Path(file.path).name for file in cifar10.ARCHIVE.files]
    parts = [images(4, 3, 32, seed) for seed in range(len(names))]
    train = Images(*(torch.cat([getattr(p, f) for p in parts[:-1]]) for f in ("images", "labels")))
    top = cifar10.ARCHIVE.top
    files = {f"{top}/{name}": batch(part) for name, part in zip(names, parts, strict=True)}
    meta = pickle.dumps({"label_names": list("abcdefghij")}, protocol=2)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as packed:
        for path, content in {**files, f"{top}/batches.meta": meta}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    name = torchvision.datasets.CIFAR10.filename
    plant = Plant(get("cifar10"), cifar10.ARCHIVE, files, {name: tar.getvalue()}, Split(train, parts[-1]))
    sums = [[Path(path).name, md5(content)] for path, content in files.items()]
    theirs = torchvision.datasets.CIFAR10
    monkeypatch.setattr(theirs, "url", plant.mirror.url + name)
    monkeypatch.setattr(theirs, "tgz_md5", md5(tar.getvalue()))
    monkeypatch.setattr(theirs, "train_list", sums[:-1])
    monkeypatch.setattr(theirs, "test_list", sums[-1:])
    monkeypatch.setattr(theirs, "meta", {**theirs.meta, "md5": md5(meta)})
    return plant


PLANTS: dict[str, Callable[[pytest.MonkeyPatch], Plant]] = {
    "fashion-mnist": plant_fashion_mnist,
    "cifar10": plant_cifar10,
}


@pytest.fixture(params=sorted(PLANTS))
def plant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Plant]:
    """A planted dataset on a mirror, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    planted = PLANTS[request.param](monkeypatch)
    planted.mirror.files = planted.packed
    small = tuple(
        replace(file, size=len(planted.files[file.path]), md5=md5(planted.files[file.path]))
        for file in planted.archive.files
    )
    planted.archive = replace(planted.archive, files=small)
    monkeypatch.setattr(MODULES[request.param], "ARCHIVE", planted.archive)
    yield planted
    planted.mirror.close()


def assert_same(ours: Split, planted: Split) -> None:
    for a, b in ((ours.train, planted.train), (ours.test, planted.test)):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)


def assert_well_formed(dataset: Dataset, split: Split) -> None:
    for part in (split.train, split.test):
        n, channels, *sides = part.images.shape
        assert (channels, sides) == (dataset.channels, [dataset.image] * 2)
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert part.images.is_contiguous()
        assert part.labels.shape == (n,)
        assert 0 <= int(part.labels.min()) <= int(part.labels.max()) < dataset.classes


def visible(folder: Path) -> set[str]:
    """The files in a folder, but for the lock, which is empty and stays."""
    found = [path for path in folder.rglob("*") if not path.is_dir() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)) for path in found}


def assert_nothing_left(plant: Plant) -> None:
    assert visible(cache_folder()) == set()
    assert not (cache_folder() / plant.archive.top).exists()
    assert not list(cache_folder().glob("*.partial"))


def test_datasets_are_known_by_their_names_and_digits_is_the_usual_one() -> None:
    assert next(iter(datasets())) == "digits"
    assert set(datasets()) == {"digits", "fashion-mnist", "cifar10", "synthetic"}
    assert all(get(name).name == name for name in datasets())
    with pytest.raises(UserError, match=r"Did you mean 'fashion-mnist'.*cifar10"):
        get("FashionMNIST")


def test_describing_datasets_needs_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.datasets import datasets\n"
        f"missing = [d.why_missing(Path({str(tmp_path)!r})) for d in datasets().values()]\n"
        "assert any(missing)\n"
        "sys.exit(bool({'torch', 'torchvision', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", list(datasets()))
def test_what_a_dataset_says_of_itself_is_complete(name: str) -> None:
    dataset = get(name)
    assert len(dataset.mean) == len(dataset.std) == dataset.channels
    assert f"{dataset.train_images + dataset.test_images:,}" in dataset.summary
    assert (
        f"{dataset.image}x{dataset.image} {'gray' if dataset.channels == 1 else 'color'}" in dataset.summary
    )
    assert dataset.source
    assert dataset.learns == (name != "synthetic")
    assert dataset.mirrors == (name != "digits"), "a mirrored 2 is no 2"
    assert dataset.downloads == (name in PLANTS)


@pytest.mark.parametrize("name", [name for name in datasets() if name not in PLANTS])
def test_what_needs_no_download_is_there_at_once_and_always_the_same(name: str, tmp_path: Path) -> None:
    dataset = get(name)
    assert dataset.why_missing(tmp_path / "none") is None
    dataset.fetch(None)
    split = dataset.load(None)
    assert_well_formed(dataset, split)
    assert (len(split.train.labels), len(split.test.labels)) == (dataset.train_images, dataset.test_images)
    assert_same(dataset.load(tmp_path / "none"), split)


def assert_statistics(dataset: Dataset, split: Split, tolerance: float) -> None:
    """The published mean and standard deviation, against the pixels in double precision."""
    pixels = split.train.images.double() / 255
    assert pixels.mean((0, 2, 3)).tolist() == pytest.approx(dataset.mean, abs=tolerance)
    assert pixels.std((0, 2, 3), correction=0).tolist() == pytest.approx(dataset.std, abs=tolerance)


def test_digits_are_all_of_scikit_learns_in_a_stratified_split_that_never_changes() -> None:
    split = get("digits").load(None)
    bundled = load_digits()
    ours = torch.cat([split.train.images, split.test.images]).flatten(1).numpy()
    labels = torch.cat([split.train.labels, split.test.labels]).numpy()
    restored = np.column_stack([np.rint(ours * (16 / 255)), labels])
    theirs = np.column_stack([bundled.data, bundled.target])
    assert sorted(restored.tolist()) == sorted(theirs.tolist()), "each image once, with its label"
    assert int(split.train.images.max()) == 255
    share = split.test.labels.bincount() / (split.test.labels.bincount() + split.train.labels.bincount())
    assert share.tolist() == pytest.approx([360 / 1797] * 10, abs=0.005)
    assert_statistics(get("digits"), split, 5e-6)
    held = hashlib.sha256()
    for part in (split.train, split.test):
        held.update(part.images.numpy().tobytes() + part.labels.numpy().tobytes())
    assert held.hexdigest() == "3616d13d9b8a0a7a70107bddfd1b1572ec4785e7884f0571b848e039b01e1a3f", (
        "results on other splits cannot be compared"
    )


def test_synthetic_images_are_even_noise_and_the_splits_differ() -> None:
    dataset = get("synthetic")
    split = dataset.load(None)
    assert dataset.mean == (0.5,) * 3
    assert dataset.std == pytest.approx([math.sqrt((256**2 - 1) / 12) / 255] * 3, abs=1e-5)
    assert_statistics(dataset, split, 2e-3)
    assert set(split.train.labels.tolist()) == set(range(10))
    assert not torch.equal(split.train.images[:512], split.test.images)


@pytest.mark.skipif("CONVBENCH_DATA" not in os.environ, reason="CONVBENCH_DATA names no folder with the data")
@pytest.mark.parametrize("name", sorted(PLANTS))
def test_the_real_data_are_what_is_said_of_them(name: str) -> None:
    dataset, folder = get(name), Path(os.environ["CONVBENCH_DATA"])
    if dataset.why_missing(folder):
        pytest.skip(f"{name} is not in {folder}")
    dataset.fetch(folder)
    split = dataset.load(folder)
    assert_well_formed(dataset, split)
    assert split.train.labels.bincount().tolist() == [dataset.train_images // 10] * 10
    assert split.test.labels.bincount().tolist() == [dataset.test_images // 10] * 10
    assert_statistics(dataset, split, 5e-5 if dataset.channels == 3 else 5e-6)


def test_checksums_and_sizes_are_those_of_the_sources() -> None:
    """torchvision's table for CIFAR-10; for Fashion-MNIST it has only those of the compressed files."""
    theirs = torchvision.datasets.CIFAR10
    table = {f"{theirs.base_folder}/{name}": sum_ for name, sum_ in theirs.train_list + theirs.test_list}
    assert {file.path: file.md5 for file in cifar10.ARCHIVE.files} == table
    dataset = get("fashion-mnist")
    for file in fashion_mnist.ARCHIVE.files:
        n = dataset.train_images if "train" in file.path else dataset.test_images
        assert file.size == (16 + n * 28 * 28 if "images" in file.path else 8 + n)


def test_what_lies_in_the_data_dir_is_read_as_torchvision_reads_it(plant: Plant, tmp_path: Path) -> None:
    folder = plant.lay(tmp_path / "data")
    assert plant.dataset.why_missing(folder) is None
    plant.dataset.fetch(folder)
    split = plant.dataset.load(folder)
    assert_well_formed(plant.dataset, split)
    assert_same(split, plant.split)
    assert visible(folder) == set(plant.files)
    assert not cache_folder().exists(), "what lies there already is not copied"
    assert plant.mirror.asked == []


def test_the_download_is_what_torchvision_reads(plant: Plant) -> None:
    plant.dataset.fetch(None)
    name = {"fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}[plant.dataset.name]
    for ours, train in ((plant.split.train, True), (plant.split.test, False)):
        theirs: Any = getattr(torchvision.datasets, name)(cache_folder(), train=train)
        pixels = torch.as_tensor(theirs.data)
        pixels = pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
        assert torch.equal(ours.images, pixels)
        assert ours.labels.tolist() == list(theirs.targets)


def remove_first(plant: Plant, folder: Path) -> str:
    (folder / plant.first.path).unlink()
    return "is missing"


def truncate_first(plant: Plant, folder: Path) -> str:
    (folder / plant.first.path).write_bytes(plant.files[plant.first.path][:-1])
    return f"has {plant.first.size - 1:,} bytes instead of {plant.first.size:,}"


def change_first(plant: Plant, folder: Path) -> str:
    plant.break_first(folder)
    return f"instead of {plant.first.md5}"


@pytest.mark.parametrize("harm", [remove_first, truncate_first, change_first])
def test_a_fault_in_the_data_dir_is_one_sentence_and_nothing_is_repaired(
    plant: Plant, harm: Callable[[Plant, Path], str], tmp_path: Path
) -> None:
    folder = plant.lay(tmp_path / "data")
    fault = harm(plant, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = plant.dataset.why_missing(folder)
    for use in (plant.dataset.fetch, plant.dataset.load):
        with pytest.raises(UserError) as caught:
            use(folder)
        sentence = str(caught.value)
        assert sentence.startswith(f"--data-dir {folder} does not contain all of {plant.dataset.name}: ")
        assert str(folder / plant.first.path) in sentence
        assert fault in sentence
        assert f"the folder {plant.archive.top}" in sentence
        assert told == (None if harm is change_first else sentence), "sizes are seen at once"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert plant.mirror.asked == []
    assert not cache_folder().exists()


class Harmful:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("plant", ["cifar10"], indirect=True)
def test_nothing_is_unpickled_that_has_not_passed_its_checksum(plant: Plant, tmp_path: Path) -> None:
    trace = tmp_path / "harmed"
    harmful = pickle.dumps({"data": Harmful(trace)}, protocol=2)
    pickle.loads(harmful)
    assert trace.exists(), "the plant works"
    trace.unlink()
    harmful += bytes(plant.first.size - len(harmful))
    for folder in (tmp_path / "data", cache_folder()):
        (plant.lay(folder) / plant.first.path).write_bytes(harmful)
    for data_dir in (tmp_path / "data", None):
        with pytest.raises(UserError, match=rf"has md5 \w+ instead of {plant.first.md5}"):
            plant.dataset.load(data_dir)
    plant.dataset.fetch(None)
    assert not trace.exists()


def test_what_is_missing_is_downloaded_once(plant: Plant) -> None:
    assert plant.dataset.why_missing(None) is None
    with pytest.raises(
        UserError, match=r"is incomplete in the cache.*is missing\. Run the command again to download it"
    ):
        plant.dataset.load(None)
    plant.dataset.fetch(None)
    assert_same(plant.dataset.load(None), plant.split)
    assert visible(cache_folder()) - set(plant.files) <= {f"{plant.archive.top}/batches.meta"}
    assert not list(cache_folder().glob("*.partial"))
    assert sorted(plant.mirror.asked) == sorted(plant.packed)
    assert socket.getdefaulttimeout() is None
    plant.dataset.fetch(None)
    assert len(plant.mirror.asked) == len(plant.packed)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refused", "Connection refused"),
        ("absent", "HTTP Error 404"),
        ("changed", "checksum"),
        ("truncated", "checksum"),
        ("silent", "timed out"),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing_and_the_next_one_works(
    plant: Plant, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        plant.mirror.fault = fault
        if fault == "silent":
            broken.setattr(download, "SILENCE_SECONDS", 0.2)
        if fault == "refused":
            broken.setattr(torchvision.datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
            broken.setattr(torchvision.datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
        with pytest.raises(UserError) as caught:
            plant.dataset.fetch(None)
    sentence = str(caught.value)
    assert sentence.startswith(f"{plant.dataset.name} could not be downloaded to {cache_folder()}: ")
    assert said in sentence
    assert "another network" in sentence
    assert "--data-dir" in sentence
    assert "\n" not in sentence
    assert_nothing_left(plant)
    assert socket.getdefaulttimeout() is None
    plant.mirror.fault = ""
    plant.dataset.fetch(None)
    assert_same(plant.dataset.load(None), plant.split)


def test_an_archive_that_unpacks_to_other_files_is_not_kept(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (*plant.archive.files[:-1], replace(plant.archive.files[-1], md5="0" * 32))
    monkeypatch.setattr(MODULES[plant.dataset.name], "ARCHIVE", replace(plant.archive, files=files))
    with pytest.raises(UserError, match=f"has md5 .* instead of {'0' * 32}") as caught:
        plant.dataset.fetch(None)
    assert "Delete" not in str(caught.value), "it is deleted already"
    assert_nothing_left(plant)


def test_a_torn_file_in_the_cache_is_never_read_and_the_next_fetch_replaces_it(plant: Plant) -> None:
    plant.dataset.fetch(None)
    plant.break_first(cache_folder())
    with pytest.raises(UserError, match=rf"{plant.first.path} has md5 \w+ instead of {plant.first.md5}"):
        plant.dataset.load(None)
    plant.mirror.fault = "absent"
    with pytest.raises(UserError, match="404"):
        plant.dataset.fetch(None)
    assert_nothing_left(plant)
    plant.mirror.fault = ""
    plant.dataset.fetch(None)
    assert_same(plant.dataset.load(None), plant.split)


@pytest.mark.parametrize("plant", ["fashion-mnist"], indirect=True)
def test_a_full_disk_is_a_sentence_and_frees_what_was_written(plant: Plant) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match=r"No space left on device.*XDG_CACHE_HOME") as caught:
        download.fetch(plant.archive, None, fill)
    assert "another network" not in str(caught.value)
    assert_nothing_left(plant)


@pytest.mark.parametrize("plant", ["fashion-mnist"], indirect=True)
def test_a_cache_that_cannot_be_written_is_a_sentence(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match=f"{tmp_path}/file.*set XDG_CACHE_HOME to another folder"):
        plant.dataset.fetch(None)
    assert plant.mirror.asked == []


def started(plant: Plant) -> multiprocessing.context.ForkProcess:
    """`fetch` in a process of its own, which shares the plants."""
    process = multiprocessing.get_context("fork").Process(target=fetch_under_an_own_lock, args=(plant,))
    process.start()
    return process


def fetch_under_an_own_lock(plant: Plant) -> None:
    """torchvision shows progress by tqdm, whose lock forked processes share: one that is killed while it
    holds it would stop this one for good."""
    tqdm.set_lock(threading.RLock())
    plant.dataset.fetch(None)


def test_a_kill_in_the_midst_leaves_nothing_to_be_read_and_the_next_fetch_clears_up(plant: Plant) -> None:
    plant.mirror.fault = "silent"
    process = started(plant)
    assert plant.mirror.halfway.wait(WAIT_SECONDS)
    process.kill()
    process.join(WAIT_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert not (cache_folder() / plant.archive.top).exists()
    assert list(cache_folder().glob(".*.partial")), "else nothing was under way"
    plant.mirror.fault = ""
    plant.dataset.fetch(None)
    assert not list(cache_folder().glob(".*.partial"))
    assert_same(plant.dataset.load(None), plant.split)


def test_of_two_processes_one_downloads_and_both_end_well(plant: Plant) -> None:
    plant.mirror.fault = "slow"
    processes = [started(plant), started(plant)]
    for process in processes:
        process.join(WAIT_SECONDS)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(plant.mirror.asked) == sorted(plant.packed)
    assert_same(plant.dataset.load(None), plant.split)


def test_the_cache_lies_where_the_xdg_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/someone")
    assert cache_folder() == Path("/var/cache/someone/convbench/datasets")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path("/home/someone/.cache/convbench/datasets")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/home/someone/.cache/convbench/datasets")
