"""The columns that timm's benchmark.py writes: inference, training, or both; an error where one failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.archive.foreign_file import ForeignBenchmark
from bench.archive.importers import timm_csv
from models.errors import UserError

INFER = (
    "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs\n"
)
BOTH = (
    "model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,"
    "train_samples_per_sec,train_step_time,train_batch_size,train_img_size,param_count\n"
)


def read(text: str, *, known: bool = True) -> list[ForeignBenchmark]:
    content = text.encode()
    assert timm_csv.is_of(content) == known
    return list(timm_csv.read(content, Path("x.csv")).benchmarks)


def test_a_step_of_inference_and_one_of_training_are_two_benchmarks() -> None:
    found = read(BOTH + "resnet50,2560.0,100.0,256,224,500.0,256.0,128,176,25.56\n")
    assert found == [
        ForeignBenchmark(name="resnet50/infer/b256/i224", model="resnet50", seconds=0.1),
        ForeignBenchmark(name="resnet50/train/b128/i176", model="resnet50", seconds=0.256),
    ]


def test_another_image_or_batch_size_is_another_benchmark() -> None:
    found = read(
        INFER + "vit,160,1000,7.62,2048,0.37,0.04\nvit,192,1000,9.0,2048,0.37,0.04\nvit,192,1,9.0,64,1,1\n"
    )
    assert [each.name for each in found] == [
        "vit/infer/b2048/i160",
        "vit/infer/b2048/i192",
        "vit/infer/b64/i192",
    ]


def test_without_a_step_time_it_follows_from_the_rate() -> None:
    (found,) = read("model,infer_samples_per_sec,infer_batch_size\nvit,1000.0,250\n")
    assert found == ForeignBenchmark(name="vit/infer/b250", model="vit", seconds=0.25)


def test_a_network_that_failed_is_counted() -> None:
    header = INFER.strip() + ",error\n"
    ok, failed = read(header + 'a,224,1000,1.0,8,1,1,\nb,,,,,,,"CUDA out of memory, tried"\n')
    assert (ok.failed, failed.failed, failed.name, failed.seconds) == (False, True, "b", None)
    half = read(header + "a,224,1000,1.0,8,1,1,no channels_last\n")
    assert [(each.name, each.failed) for each in half] == [("a/infer/b8/i224", False), ("a", True)]
    assert [each.failed for each in read("model,error\na,Unknown\n", known=False)] == [True]


def test_files_of_a_spreadsheet_are_read() -> None:
    text = "\ufeff" + INFER.replace("\n", "\r\n") + '"vit",160,1000,7.62,2048,0.37,0.04\r\n'
    assert [each.seconds for each in read(text)] == [0.00762]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (INFER, "has no benchmarks"),
        (INFER + "vit,160,1000\n", "line 2 has another number of columns"),
        (INFER + "vit,160,1000,7.62,2048,0.37,0.04,1\n", "line 2 has another number of columns"),
        (INFER + "vit,160,1000,fast,2048,0.37,0.04\n", "infer_step_time of vit is no number, 'fast'"),
        (INFER + "vit,160,1000,nan,2048,0.37,0.04\n", "vit has the time nan s"),
        (INFER + "vit,160,1000,-1,2048,0.37,0.04\n", "vit has the time -0.001 s"),
        (INFER + ",160,1000,1,2048,0.37,0.04\n", "line 2 names no model"),
        (INFER + 'vit,"160,1000\n', "is no CSV file of timm's benchmark.py"),
        ("", "it has no column model"),
        ("name,seconds\na,1\n", "it has no column model"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(text: str, why: str) -> None:
    with pytest.raises(UserError, match=f"x.csv .*{why}"):
        timm_csv.read(text.encode(), Path("x.csv"))


def test_figures_of_accuracy_are_no_times() -> None:
    assert not timm_csv.is_of(b"model,top1,top5,param_count\nresnet50,80.1,95.0,25.56\n")
    assert not timm_csv.is_of(b'{"model": 1}')
    assert not timm_csv.is_of(b"\x00\xff" * 1000)
