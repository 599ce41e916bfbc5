"""What content is called, which stays: else another version knows nothing again that is stored.

It would store everything once more, and every datum would run once more.
"""

from __future__ import annotations

from hashlib import shake_128

from pfs_builders import MemoryObjects, make_content, make_tree

from pachlocal.pfs.tree.content import chunks_of

MIB = 1024 * 1024


def test_a_large_file_is_cut_where_it_always_was() -> None:
    objects = MemoryObjects()
    # One cut comes just after the least length, one at the greatest.
    content = make_content(objects, shake_128(b"iris 4").digest(8 * MIB) + bytes(9 * MIB))
    lengths = [length for _, length in chunks_of(objects, content)]
    assert lengths == [3574475, 2114929, 628974, 8388608, 3118806]
    assert content.hash.hex() == "b4a0a1795a07cda385ebd05d0634a5ad969ad6322b353f01955ed4807e916d65"


def test_a_folder_is_named_as_it_always_was() -> None:
    files = {f"/d{number % 7}/f{number}": b"%d" % number for number in range(3000)}
    root = make_tree(MemoryObjects(), files)
    assert root is not None
    assert root.hex() == "42240e6d5fd01bd88912a291b26d35c8874a253498628361951c92157e210359"
