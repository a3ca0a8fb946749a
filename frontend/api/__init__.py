"""The API for programs: the verbs and queries of the pages, as JSON under /api/v1/."""
