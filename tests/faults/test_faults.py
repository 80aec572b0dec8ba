"""The fault matrix of docs/RELIABILITY.md: nothing is lost, whatever happens. `make soak` tries all of it."""

import pytest

QUICK = {
    # name: id, what, tried in the quick suite, in a soak (sizes of the checks in `fault_*.py`)
    "kills": ("F1", "kill -9 before, within and after a durable operation", 3, 10**6),
    "full_disk": ("F4", "disk full from a durable operation on", 3, 10**6),
    "publication_kills": ("F1", "the same while search files are published", 3, 10**6),
    "flips": ("F11", "a flipped bit of the catalogue", 10, 2000),
    "log_flips": ("F11", "a flipped bit of the log of a killed writer", 8, 1000),
    "two_writers": ("F9", "up to eight indexers at once, stale lock files", 2, 100),
    "names": ("F16", "names of any bytes, and links out of the folder", 20, 2000),
    "changing": ("F13", "files that change while they are read", 1, 200),
    "foreign": ("F12", "other schemas, fingerprints, databases and search files", 1, 4),
}
SLOW = {
    "search_file_kills": ("F1", "the same while a search file is written", 8, 10**6),
    "random_kills": ("F2", "kill -9 at a random time, decoding processes and all", 20, 1000),
    "signals": ("F3", "SIGINT, SIGTERM, SIGINT twice, SIGHUP at random times of `amogus index`", 2, 50),
    "poison": ("F7", "files that kill their decoder, and do so again by any name", 3, 20),
    "errors": ("F5", "EIO, EROFS, EACCES, EDQUOT at a durable operation, once or for good; short writes", 4, 10**6),
    "power_loss": ("F6", "simulated power cut", 150, 2500),
    "readers": ("F10", "answers of four readers during 40 publications (200 in a soak)", 40, 200),
    "visitors": ("F10", "processes that come and go while writers publish, end and are killed", 60, 2000),
    "damage": ("F11", "a file of an index flipped, cut, lengthened, exchanged, deleted", 4, 50),
    "vanished": (
        "F15",
        "folder of pictures gone, empty, unreadable, not to be entered, another one, mostly gone",
        1,
        4,
    ),
    "same_result": ("F19", "interrupted runs, orders of files, decoding processes: the same index", 4, 50),
}


@pytest.mark.slow
def test_a_disk_that_is_really_too_small(check, many, fault_record):
    done = check("small_disk", many(5, 40))
    if not done.tried and not done.wrong:
        pytest.skip("no file system can be mounted here")
    fault_record("F4", tried=done.tried, survived=done.survived, what="a real disk too small", wrong=done.wrong)


def survive(name, row, check, many, fault_record):
    fault, what, few, lots = row
    done = check(name, many(few, lots))
    fault_record(fault, tried=done.tried, survived=done.survived, what=what, wrong=done.wrong)


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_lost(name, check, many, fault_record):
    survive(name, QUICK[name], check, many, fault_record)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_nothing_is_lost_in_longer_tests(name, check, many, fault_record):
    survive(name, SLOW[name], check, many, fault_record)
