"""Files that are whole or not there, whatever is at their place; and which files of a folder are meant."""

import errno
import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

from spic.benchmark.observations import save_arrays
from spic.files import (
    IMAGES,
    atomic_folder,
    atomic_path,
    descriptor,
    files_in,
    is_stream,
    left_overs,
    make_folder,
    spelled,
    write_bytes,
)
from spic.pictures.reading import write_png


@pytest.fixture
def umask():
    """Sets this process's umask; put back at the end."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def reader(pipe) -> tuple[threading.Thread, list[bytes]]:
    """A thread that reads a pipe to its end."""
    got = []
    thread = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    thread.start()
    return thread, got


# regular files


def test_a_file_is_replaced_only_on_success(tmp_path):
    path = tmp_path / "sub" / "file"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and [p.name for p in path.parent.iterdir()] == ["file"]
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_what_is_new_has_the_mode_that_the_umask_says(mask, umask, tmp_path):
    import torch

    from spic.weights import write_weights

    umask(mask)
    write_bytes(tmp_path / "file", b"")
    write_weights(tmp_path / "net", {"x": torch.zeros(2)}, {})  # safetensors makes files of its own
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "inside").touch()
    for name in ("file", "net.safetensors", "net.json", "folder/inside"):
        assert mode(tmp_path / name) == 0o666 & ~mask, name
    assert mode(tmp_path / "folder") == 0o777 & ~mask


def test_what_is_replaced_keeps_its_mode(umask, tmp_path):
    umask(0o022)
    path = tmp_path / "private"
    write_bytes(path, b"1")
    path.chmod(0o600)
    write_bytes(path, b"2")
    assert mode(path) == 0o600 and path.read_bytes() == b"2"


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, os.fsdecode(b"\xe9" * 250)], ids=["ascii", "utf-8", "bytes"])
def test_names_as_long_as_the_file_system_allows(name, tmp_path):
    write_bytes(tmp_path / name, b"x")
    with atomic_folder(tmp_path / "sub" / name) as folder:
        (folder / "a").touch()
    assert (tmp_path / name).read_bytes() == b"x" and (tmp_path / "sub" / name / "a").exists()
    with pytest.raises(OSError) as caught:
        write_bytes(tmp_path / (name + "n" * 10), b"x")
    assert caught.value.errno == errno.ENAMETOOLONG and len(list(tmp_path.iterdir())) == 2


def test_what_killed_writers_left_is_found_and_nothing_else(tmp_path):
    for name in ("out", "o[u]t", "out.png", "n" * 200):
        path = tmp_path / name
        with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
            temporary.rename(kept := tmp_path / (temporary.name + ".kept"))
            raise KeyboardInterrupt
        kept.rename(temporary)
        assert left_overs(path) == [temporary] and len(temporary.name.encode()) <= 143
    assert left_overs(tmp_path / "none" / "out") == [] == left_overs(tmp_path / "ou")


# what is in the way


def test_nothing_is_left_beside_a_folder(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_bytes(tmp_path / "taken", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("place", ["file", "dangling", "loop", "pipe"])
def test_what_is_no_folder_is_named(place, tmp_path):
    obstacle = tmp_path / place
    if place == "file":
        obstacle.write_bytes(b"precious")
    elif place == "pipe":
        os.mkfifo(obstacle)
    else:
        obstacle.symlink_to("nowhere" if place == "dangling" else "loop")
    for path in (obstacle / "x", obstacle / "deep" / "x"):
        for write in (lambda path=path: write_bytes(path, b"x"), lambda path=path: make_folder(path)):
            with pytest.raises(OSError) as caught:
                write()
            assert caught.value.errno == errno.ELOOP or caught.value.strerror == f"{obstacle} is not a folder"
    if place != "dangling":
        with pytest.raises(NotADirectoryError), atomic_folder(obstacle):
            raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == [place]


# links


def test_links_are_followed(tmp_path):
    real, link = tmp_path / "there" / "real", tmp_path / "link"
    real.parent.mkdir()
    link.symlink_to("there/real")
    for data in (b"first", b"second"):  # where it leads nowhere yet, and where there is a file
        write_bytes(link, data)
        assert link.is_symlink() and real.read_bytes() == data
        assert sorted(path.name for path in real.parent.iterdir()) == ["real"]
    folder, way = tmp_path / "there" / "folder", tmp_path / "way"
    way.symlink_to(folder)
    for name in ("a", "b"):
        with atomic_folder(way) as temporary:
            (temporary / name).touch()
        assert way.is_symlink() and [path.name for path in folder.iterdir()] == [name]


def test_links_that_lead_nowhere_at_all(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "far").symlink_to("not/mounted/file")
    for name in ("loop", "far"):
        with pytest.raises(OSError):
            write_bytes(tmp_path / name, b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "loop"]


# what is no regular file


def test_pipes_are_written_through(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for write, name in ((lambda p: write_png(p, pixels), "a.png"), (lambda p: save_arrays(p, {"a": pixels}), "a.npz")):
        thread, got = reader(pipe)
        write(pipe)
        thread.join(10)
        write(tmp_path / name)
        assert got == [(tmp_path / name).read_bytes()] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_nothing_reaches_a_pipe_on_failure(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    number = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "pipe") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert os.read(number, 10) == b"" and [path.name for path in tmp_path.iterdir()] == ["pipe"]
    os.close(number)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device nodes")
def test_devices_are_written_through(tmp_path):
    device, link = tmp_path / "null", tmp_path / "link"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_bytes(b"")
    except PermissionError:
        pytest.skip("no device nodes on this file system")
    link.symlink_to(device)
    for path in (device, link):
        write_bytes(path, b"x")
        assert is_stream(path) and stat.S_ISCHR(path.stat().st_mode) and device.stat().st_rdev == os.makedev(1, 3)
    assert link.is_symlink() and len(list(tmp_path.iterdir())) == 2


def test_open_files_are_written_to_as_they_are(tmp_path):
    """A link to /dev/stdout, which goes into a file: what was said before stays, and what is said after follows."""
    code = "from spic.files import write_bytes; print('before'); write_bytes({!r}, b'x\\n'); print('after', flush=True)"
    (tmp_path / "link").symlink_to("/dev/stdout")
    for path in ("/dev/fd/1", "/proc/self/fd/1", str(tmp_path / "link")):  # below /proc nothing can be replaced
        with open(tmp_path / "out", "wb") as out:
            subprocess.run([sys.executable, "-c", code.format(path)], stdout=out, check=True)
        assert (tmp_path / "out").read_bytes() == b"before\nx\nafter\n", path
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]


def test_names_of_open_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1").touch()
    (tmp_path / "link").symlink_to("2")
    (tmp_path / "2").symlink_to("/dev/fd/7")
    (tmp_path / "loop").symlink_to("loop")
    names = ["/dev/stdin", "/dev/stdout", "/proc/self/fd/23", "link", "1", "none/1", "loop", "/dev/null", "/dev/fd/x"]
    assert [descriptor(name) for name in names] == [0, 1, 23, 7, None, None, None, None, None]


# files of a folder


def test_files_of_a_folder(tmp_path, caplog):
    (tmp_path / "B.PNG").touch()
    (tmp_path / "a.jpeg").touch()
    (tmp_path / "c.avif").symlink_to("a.jpeg")
    (tmp_path / "gone.gif").symlink_to("nowhere")
    assert [path.name for path in files_in(tmp_path, IMAGES)] == ["B.PNG", "a.jpeg", "c.avif", "gone.gif"]
    for name in (".hidden.png", "._a.png", "a.spic", "notes.txt", "b.TXT", "plain"):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "p.png")
    (tmp_path / "d.png").mkdir()
    (tmp_path / "below").mkdir()
    assert not caplog.records
    for _ in range(2):  # said once
        assert len(files_in(tmp_path, IMAGES, beside=(".spic",))) == 4
    (record,) = caplog.records
    left = "d.png (a folder), p.png (a pipe), 3 of other endings (.txt, none)"
    assert record.levelname == "WARNING" and record.getMessage() == f"{tmp_path}: left out: {left}"


def test_many_that_are_no_files_are_counted(tmp_path, caplog):
    for i in range(9):
        (tmp_path / f"{i}.png").mkdir()
    assert files_in(tmp_path, (".png",)) == []
    assert caplog.messages[0].endswith("3.png (a folder), 5 more that are no files")


def test_names_as_text():
    assert spelled("straße 夜.png") == "straße 夜.png"
    assert spelled(os.fsdecode(b"caf\xe9 \xff.png")) == "caf%E9 %FF.png"
