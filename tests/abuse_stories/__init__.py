"""Bad input that takes several steps, which no table of cases can say. A module has STORIES, functions of a sweep."""
