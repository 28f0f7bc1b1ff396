"""A client that repeats what was not answered, under its key, has each thing done once, wherever the server died."""

import os
import random
import threading

import httpx

from tests.faults.platform_process import PASSWORD, Up, until

ROUNDS = 4


def test_killed_at_any_moment_a_retry_by_key_finds_it_done_once(up: Up) -> None:
    body = {
        "name": "A Teacher",
        "email": f"{os.urandom(6).hex()}@example.org",
        "password": PASSWORD,
        "role": "instructor",
    }
    token = up.http.post("/api/v1/users/signup", json=body).json()["data"]["token"]
    chance = random.Random(11)
    answers: dict[str, bytes] = {}

    def create(key: str) -> httpx.Response | None:
        course = {
            "title": f"Course {key}", "description": "One of its kind.", "category": "Science",
            "difficulty": "Beginner", "price": 0, "currency": "USD",
        }  # fmt: skip
        headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
        try:
            return up.http.post("/api/v1/courses", json=course, headers=headers)
        except httpx.HTTPError:
            return None

    for number in range(ROUNDS):
        key = f"key-{number}"
        worker = up.process("server's worker")
        moment = chance.uniform(0, 0.015)
        killer = threading.Timer(moment, worker.kill)
        killer.start()
        answer = create(key)
        killer.join()
        first = answer.content if answer is not None and answer.status_code == 201 else None

        def done(key: str = key) -> bool:
            answer = create(key)
            if answer is not None and answer.status_code == 201:
                answers[key] = answer.content
                return True
            assert answer is None or answer.status_code in {409, 503}, answer.text
            return False

        until(done, "answered")
        assert first is None or first == answers[key]
    listed = up.http.get("/api/v1/courses?mine=true", headers={"authorization": f"Bearer {token}"}).json()["data"]
    assert sorted(course["title"] for course in listed["courses"]) == [f"Course key-{n}" for n in range(ROUNDS)]
