"""Staff find requests by name and number without putting either into an address, and see who may be the same person."""

import re
from datetime import timedelta

from fastapi.testclient import TestClient

from frontdesk.console.pages import PAGE_SIZE
from frontdesk.db import Database
from tests.leads.samples import EVENING, new_lead, save

SEARCH = "/staff/search"


def found(staff: TestClient, text: str) -> str:
    """Search as the form on the list of requests does; return the page."""
    form = re.search(
        r'<form class="search" method="post" action="([^"]+)".*?name="csrf" value="([^"]+)"',
        staff.get("/staff").text,
        re.DOTALL,
    )
    assert form
    assert form.group(1) == SEARCH
    page = staff.post(SEARCH, data={"csrf": form.group(2), "text": text})
    assert page.status_code == 200
    assert str(page.url).endswith(SEARCH)
    return page.text


def test_a_request_is_found_and_its_page_is_a_link_away(staff: TestClient, database: Database) -> None:
    lead = save(database, new_lead(), EVENING).lead
    save(database, new_lead("run-2", full_name="Ana Ruiz", phone="+15165550143"), EVENING)
    for text in ("nunez", "516-555-0142", lead.reference):
        page = found(staff, text)
        assert re.findall(r'href="/staff/leads/(\w+)"', page) == [lead.id]
        assert "José O&#39;Brien-Núñez" in page
    assert "No request was found" in found(staff, "somebody else")


def test_what_was_typed_is_given_back_as_text_and_is_in_no_address(staff: TestClient) -> None:
    page = found(staff, '"><script>alert(1)</script>')
    assert "<script>" not in page
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page
    assert not [address for address in re.findall(r'(?:href|action)="([^"]*)"', page) if "script" in address]


def test_searching_needs_the_forms_token(staff: TestClient, database: Database) -> None:
    save(database, new_lead(), EVENING)
    refused = staff.post(SEARCH, data={"text": "nunez"})
    assert refused.status_code == 403
    assert "Núñez" not in refused.text


def test_a_long_list_is_cut_and_says_so(staff: TestClient, database: Database) -> None:
    for number in range(PAGE_SIZE + 1):
        save(database, new_lead(f"run-{number}"), EVENING - timedelta(days=number))
    page = found(staff, "jose")
    assert page.count('class="name"') == PAGE_SIZE
    assert f"the newest {PAGE_SIZE}" in page


def test_a_request_shows_who_may_be_the_same_person_and_what_was_typed(staff: TestClient, database: Database) -> None:
    lead = save(database, new_lead(phone_typed="516 555 0142 <cell>"), EVENING).lead
    assert "Perhaps the same person" not in staff.get(f"/staff/leads/{lead.id}").text
    double = save(database, new_lead("run-2", full_name="J. Núñez"), EVENING).lead
    page = staff.get(f"/staff/leads/{lead.id}").text
    assert "Perhaps the same person" in page
    assert f'<a href="/staff/leads/{double.id}"><bdi>J. Núñez</bdi>' in page
    same = re.findall(r'<th scope="row">(\w[\w-]*)</th>\s*<td>.*?</td>\s*<td class="same">', page)
    assert same == ["Phone", "Reason"]
    assert "Typed as <bdi>516 555 0142 &lt;cell&gt;</bdi>" in page
