"""People an appointment may be for, besides the one who writes."""

_SAME = (
    *("husband", "wife", "partner", "boyfriend", "girlfriend", "spouse", "brother", "sister", "sibling"),
    *("son", "daughter", "child", "aunt", "uncle", "cousin", "niece", "nephew", "friend", "neighbor", "roommate"),
    *("coworker", "colleague", "client", "patient", "grandson", "granddaughter", "stepson", "stepdaughter"),
    *("stepfather", "stepmother", "parent", "caregiver", "boss", "employee", "student"),
)
RELATIVES = {
    **{word: word for word in _SAME},
    **dict.fromkeys(("mother", "mom", "mum", "mama", "mommy", "ma", "mami"), "mother"),
    **dict.fromkeys(("father", "dad", "daddy", "papa", "pop", "pops"), "father"),
    **dict.fromkeys(("mother-in-law", "mil"), "mother-in-law"),
    **dict.fromkeys(("father-in-law", "fil"), "father-in-law"),
    **dict.fromkeys(("brother-in-law",), "brother-in-law"),
    **dict.fromkeys(("sister-in-law",), "sister-in-law"),
    **dict.fromkeys(("son-in-law",), "son-in-law"),
    **dict.fromkeys(("daughter-in-law",), "daughter-in-law"),
    **dict.fromkeys(("grandmother", "grandma", "granny", "nana", "abuela"), "grandmother"),
    **dict.fromkeys(("grandfather", "grandpa", "grandad", "granddad", "abuelo"), "grandfather"),
    **dict.fromkeys(("hubby", "hubbie"), "husband"),
    **dict.fromkeys(("wifey",), "wife"),
    **dict.fromkeys(("bf",), "boyfriend"),
    **dict.fromkeys(("gf",), "girlfriend"),
    **dict.fromkeys(("fiance", "fiancee", "fiancé", "fiancée"), "fiancé"),
    **dict.fromkeys(("bro",), "brother"),
    **dict.fromkeys(("sis",), "sister"),
    **dict.fromkeys(("kid", "teen", "teenager"), "child"),
    **dict.fromkeys(("auntie", "aunty"), "aunt"),
    **dict.fromkeys(("buddy", "bestie", "pal"), "friend"),
    **dict.fromkeys(("neighbour",), "neighbor"),
    **dict.fromkeys(("co-worker",), "coworker"),
    **dict.fromkeys(("stepdad",), "stepfather"),
    **dict.fromkeys(("stepmom",), "stepmother"),
}
"""What people call somebody, and the word for it that staff read."""

SOMEONE_ELSE = "someone else"

# Of what begins alike, the longer one first: "mother-in-law" is not "mother".
RELATIVE = rf"(?:{'|'.join(sorted(RELATIVES, key=len, reverse=True))})"
"""A regular expression for one of them."""
