"""The settings of the process: how many SMs a call may use, programmatic launch, alignment of the contiguous layout.

Sees errors only; imports torch where a function needs it, so that importing touches no GPU.
"""

from .errors import refuse

_num_sms = 0
_tc_util = 100
_pdl = False
_ignore_compile_dims = False
_block_size_multiple_of = (1, 1)
_mk_alignment = 128
_allow_transform = False
_device_sms = {}


def _device_num_sms():
    """SMs of the current device; 0 on a machine without a GPU, where nothing depends on it."""
    import torch

    if not torch.cuda.is_available():
        return 0
    device = torch.cuda.current_device()
    if device not in _device_sms:
        _device_sms[device] = torch.cuda.get_device_properties(device).multi_processor_count
    return _device_sms[device]


def set_num_sms(num_sms):
    """Lets calls use `num_sms` streaming multiprocessors, odd counts included; 0 = all again. Recompiles nothing."""
    global _num_sms
    limit = _device_num_sms()
    if not isinstance(num_sms, int) or num_sms < 0 or (limit and num_sms > limit):
        refuse("set_num_sms", f"num_sms is {num_sms!r}; it must be a number from 1 to {limit or 'the SMs of the GPU'}, "
                              "or 0 for all")
    _num_sms = num_sms


def get_num_sms():
    """What set_num_sms set, else the SMs of the current device (0 on a machine without a GPU)."""
    return _num_sms or _device_num_sms()


def max_sms():
    """What set_num_sms set; 0 = all."""
    return _num_sms


def set_tc_util(percent):
    """Kept and returned by get_tc_util; changes nothing, as upstream on Hopper."""
    global _tc_util
    if not isinstance(percent, int) or not 0 <= percent <= 100:
        refuse("set_tc_util", f"the percentage is {percent!r}; it must be 0 (for 100) to 100")
    _tc_util = percent or 100


def get_tc_util():
    return _tc_util


def set_pdl(enable):
    """Programmatic dependent launch for the calls that follow: a kernel starts while the one before it still runs."""
    global _pdl
    _pdl = bool(enable)


def get_pdl():
    return _pdl


def set_allow_transform(enable):
    """Lets calls copy float32 scales that lie contiguous along k into the layout that is read fastest, as upstream does without
    asking, where a has 64 rows or more. Off at first: then nothing is copied."""
    global _allow_transform
    _allow_transform = bool(enable)


def get_allow_transform():
    return _allow_transform


def set_ignore_compile_dims(enable):
    """Accepted; no size is a compile-time constant here, so it changes nothing."""
    global _ignore_compile_dims
    _ignore_compile_dims = bool(enable)


def set_block_size_multiple_of(value):
    """Accepted: an int or a pair of them. Tiles are chosen by the library, results do not depend on them."""
    global _block_size_multiple_of
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(x, int) and x > 0 for x in pair):
        refuse("set_block_size_multiple_of", f"got {value!r}; it needs a positive int or two of them")
    _block_size_multiple_of = pair


def set_mk_alignment_for_contiguous_layout(alignment):
    """Rows to which groups of the contiguous layout are padded; the products take 16, 32, 64, 128 and 256."""
    global _mk_alignment
    if not isinstance(alignment, int) or alignment <= 0:
        refuse("set_mk_alignment_for_contiguous_layout", f"the alignment is {alignment!r}; it must be a positive number of rows")
    _mk_alignment = alignment


def get_mk_alignment_for_contiguous_layout():
    return _mk_alignment


def get_theoretical_mk_alignment_for_contiguous_layout(expected_m=None, num_groups=None):
    """128, as on every Hopper upstream, whatever the arguments."""
    return 128


get_m_alignment_for_contiguous_layout = get_mk_alignment_for_contiguous_layout
get_k_alignment_for_contiguous_layout = get_mk_alignment_for_contiguous_layout
