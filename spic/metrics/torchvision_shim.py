"""Lets torchvision import beside a torch it was not compiled for.

pytorch-fid imports torchvision at its top, although the networks taken from them need none of its compiled
operators. The published torchvision wheels are CUDA builds; beside a CPU build of torch their compiled library does not
load, and the import then stops at the first operator it wants to describe: `operator torchvision::nms does not exist`.
Declaring the two operators that it describes at import time is enough to go on. They get no implementation: calling
one still fails, and where torchvision imports by itself nothing is changed.
"""

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries = []  # a torch.library.Library takes its declarations with it when it is collected


def import_torchvision():
    """Import torchvision, declaring its missing operators if that is what the import stops at, and return the module.

    Call it before importing pytorch_fid.

    Raises
    ------
    ImportError
        torchvision is not installed.
    RuntimeError
        The import fails for another reason than missing operators.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        from torch.library import Library

        library = Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(operator + _SCHEMA)
        _libraries.append(library)
        import torchvision
    return torchvision
