"""The catalogue follows releases: what a new one brings or renames, and what is shown while none can be read."""

from lakehouse.masking import Mask

HTML = {"Accept": "text/html"}


def test_a_new_release_moves_the_catalogue(world, library, client):
    world.add("marks")
    assert library.refresh()
    assert "Fresh" not in client.get("/", headers=HTML).text
    world.add("fresh", title="Fresh")
    assert library.refresh()
    assert not library.refresh()
    assert "Fresh" in client.get("/", headers=HTML).text


def test_a_version_has_the_commit_of_the_rewritten_history(world, library, client):
    saved, _, _ = world.add("marks")
    library.refresh()
    assert saved.commit in client.get("/datasets/marks/1", headers=HTML).text
    # As a retraction does: what it leaves is edited where it lies, and then it publishes.
    renamed = Mask((), {saved.commit: "e" * 40})
    for key in world.objects.keys("records/marks/1/"):
        world.objects.put(key, renamed.document(world.objects.get(key).decode()).encode())
    world.remove("marks", "1")
    library.refresh()
    page = client.get("/datasets/marks/1", headers=HTML).text
    assert f"<code>{'e' * 40}</code>" in page
    assert f"<code>{saved.commit}</code>" not in page


def test_without_a_release_it_is_empty_and_well(library, client):
    library.refresh()
    assert client.get("/health").json() == {"status": "ok", "release": 0, "datasets": 0}
    assert "0 datasets" in client.get("/", headers=HTML).text


def test_when_the_archive_is_away_the_last_release_stays_and_health_says_so(world, library, client):
    world.add("marks")
    library.refresh()
    world.number += 1
    world.tables.down = True
    assert not library.refresh()
    assert client.get("/health").status_code == 503
    page = client.get("/?q=marks", headers=HTML)
    assert page.status_code == 200
    assert "cannot be read now" in page.text
    assert client.get("/datasets/marks/1").status_code == 503, "its rows cannot be read"
    world.tables.down = False
    assert library.refresh()
    assert client.get("/health").status_code == 200


def test_the_newest_record_of_a_version_counts(world, library, client):
    world.add("marks", "1", title="First")
    rows = world.tables.rows["archive.records"].to_pylist()
    later = {
        **rows[0],
        "title": "Second",
        "recorded_at": rows[0]["recorded_at"].replace(year=2027),
        "record_sha256": rows[0]["record_sha256"],
    }
    world.tables.rows["archive.records"] = type(world.tables.rows["archive.records"]).from_pylist(
        [later, *rows], schema=world.tables.rows["archive.records"].schema
    )
    library.refresh()
    assert client.get("/api/v1/datasets/marks").json()["title"] == "Second"
