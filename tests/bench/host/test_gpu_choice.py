"""Which GPU: what `--gpu` names, what CUDA_VISIBLE_DEVICES hides, and what CUDA will call device 0."""

from __future__ import annotations

import pytest

from bench.host.gpu_choice import nth_visible, resolve, seeing_only, visible_gpu
from bench.host.nvml import UnreadableError
from models.errors import UserError
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver

SMALL = FakeGpu(gpu_uuid="GPU-aaaa", gpu_name="small")
LARGE = FakeGpu(gpu_uuid="GPU-bbbb", gpu_name="large", number=1)
TWIN = FakeGpu(gpu_uuid="GPU-cccc", gpu_name="small", number=1)


@pytest.mark.parametrize(
    ("gpus", "environ", "want"),
    [
        ((SMALL,), {}, SMALL),
        ((SMALL, TWIN), {}, SMALL),
        ((SMALL, TWIN), {"CUDA_VISIBLE_DEVICES": "1"}, TWIN),
        ((SMALL, TWIN), {"CUDA_VISIBLE_DEVICES": " 1, 0"}, TWIN),
        ((SMALL, LARGE), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1,0"}, LARGE),
        ((SMALL, LARGE), {"CUDA_VISIBLE_DEVICES": "GPU-bb"}, LARGE),
        ((SMALL, LARGE), {"CUDA_VISIBLE_DEVICES": "MIG-dddd"}, LARGE),
    ],
)
def test_the_gpu_that_cuda_will_use(
    gpus: tuple[FakeGpu, ...], environ: dict[str, str], want: FakeGpu
) -> None:
    assert visible_gpu(FakeNvml(gpus, instances={"MIG-dddd": LARGE}), environ) is want


@pytest.mark.parametrize(
    ("gpus", "environ", "why"),
    [
        ((SMALL, LARGE), {}, "CUDA_DEVICE_ORDER=PCI_BUS_ID"),
        ((SMALL, LARGE), {"CUDA_VISIBLE_DEVICES": "1"}, "only CUDA knows"),
        ((SMALL,), {"CUDA_VISIBLE_DEVICES": "1"}, "no GPU is visible"),
        ((SMALL,), {"CUDA_VISIBLE_DEVICES": ""}, "no GPU is visible"),
        ((SMALL,), {"CUDA_VISIBLE_DEVICES": "-1"}, "no GPU is visible"),
        ((), {}, "no GPU is visible"),
        ((SMALL,), {"CUDA_VISIBLE_DEVICES": "GPU-zz"}, "GPU-zz"),
        ((SMALL, TWIN), {"CUDA_VISIBLE_DEVICES": "GPU-"}, "GPU-"),
    ],
)
def test_a_gpu_is_never_guessed(gpus: tuple[FakeGpu, ...], environ: dict[str, str], why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        visible_gpu(FakeNvml(gpus), environ)


def chosen(text: str, environ: dict[str, str] | None = None, driver: FakeNvml | None = None) -> str:
    planted = driver or FakeNvml((SMALL, TWIN), instances={"MIG-dddd": LARGE})
    return resolve(text, lambda: planted, environ or {})


DIVIDED = FakeNvml((SMALL, LARGE), instances={"MIG-dddd": LARGE})
MANY = FakeNvml((SMALL, LARGE), instances={"MIG-dddd": LARGE, "MIG-eeee": LARGE})


@pytest.mark.parametrize(("text", "uuid"), [("0", "GPU-aaaa"), ("1", "GPU-cccc"), ("GPU-c", "GPU-cccc")])
def test_a_gpu_is_named_by_its_index_or_its_uuid_which_may_be_short(text: str, uuid: str) -> None:
    assert chosen(text) == uuid


def test_an_index_is_nvidia_smis_also_where_other_gpus_may_not_be_used() -> None:
    """CUDA counts those alone that this process may use, nvidia-smi all."""
    last = FakeGpu(gpu_uuid="GPU-dddd", gpu_name="small", number=3)
    driver = FakeNvml((TWIN, last))
    assert [chosen(text, driver=driver) for text in "13"] == ["GPU-cccc", "GPU-dddd"]
    with pytest.raises(UserError, match=r"which has 1 \(small, GPU-cccc\); 3 \(small, GPU-dddd\)$"):
        chosen("0", driver=driver)
    assert visible_gpu(driver, {"CUDA_VISIBLE_DEVICES": "1"}) is last


@pytest.mark.parametrize("text", ["MIG-dddd", "MIG-d", "1", "GPU-bbbb"])
def test_an_instance_of_mig_is_named_by_itself_or_by_its_board_that_has_no_other(text: str) -> None:
    assert chosen(text, driver=DIVIDED) == "MIG-dddd"


@pytest.mark.parametrize("text", ["2", "-1", "GPU-zz", "aaaa", "cuda:0", "MIG-zz"])
def test_what_is_no_gpu_is_answered_with_those_there_are(text: str) -> None:
    with pytest.raises(UserError) as raised:
        chosen(text)
    assert str(raised.value) == (
        f"--gpu {text} is no GPU of this machine, which has 0 (small, GPU-aaaa); 1 (small, GPU-cccc)"
    )


def test_a_short_uuid_that_fits_several_gpus_names_none() -> None:
    with pytest.raises(UserError, match=r"^--gpu GPU- names several GPUs of this machine, which has 0 \("):
        chosen("GPU-")


def test_of_a_divided_gpu_an_instance_must_be_named() -> None:
    with pytest.raises(UserError, match=r"divided by MIG. Give one of its instances: MIG-dddd, MIG-eeee"):
        chosen("1", driver=MANY)
    assert chosen("MIG-e", driver=MANY) == "MIG-eeee"


def test_a_machine_without_a_driver_or_a_gpu_says_so() -> None:
    with pytest.raises(UserError, match=r"^--gpu 0: no GPU found: NVML Shared Library Not Found$"):
        resolve("0", no_driver, {})
    with pytest.raises(UserError, match=r"^--gpu 0: no GPU found: the driver lists none$"):
        chosen("0", driver=FakeNvml(()))


@pytest.mark.parametrize("visible", ["1", "1,0", "GPU-cc", " 1 ", "1,-1,0"])
def test_a_visible_gpu_may_be_chosen(visible: str) -> None:
    assert chosen("1", {"CUDA_VISIBLE_DEVICES": visible}) == "GPU-cccc"


def test_an_instance_is_visible_with_its_board() -> None:
    for visible in ("MIG-dddd", "MIG-d", "GPU-bbbb"):
        assert chosen("MIG-dddd", {"CUDA_VISIBLE_DEVICES": visible}, DIVIDED) == "MIG-dddd"


@pytest.mark.parametrize("visible", ["0", "GPU-aaaa", "0,-1,1"])
def test_a_gpu_that_is_hidden_from_cuda_is_refused(visible: str) -> None:
    with pytest.raises(UserError, match=rf"^--gpu 1 is hidden: CUDA_VISIBLE_DEVICES is '{visible}'$"):
        chosen("1", {"CUDA_VISIBLE_DEVICES": visible})


def test_where_none_is_visible_none_can_be_chosen() -> None:
    with pytest.raises(UserError, match=r"^--gpu 1: no GPU is visible to CUDA"):
        chosen("1", {"CUDA_VISIBLE_DEVICES": ""})


def test_children_see_the_chosen_gpu_alone_and_the_parent_what_it_saw() -> None:
    environ = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert seeing_only("GPU-cccc", environ) == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "GPU-cccc"}
    assert environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert seeing_only(None, environ) is None


def test_each_rank_of_a_host_sees_a_gpu_of_its_own() -> None:
    assert [nth_visible(place, {}) for place in range(2)] == ["0", "1"]
    environ = {"CUDA_VISIBLE_DEVICES": "GPU-bbbb, 0"}
    assert [nth_visible(place, environ) for place in range(2)] == ["GPU-bbbb", "0"]
