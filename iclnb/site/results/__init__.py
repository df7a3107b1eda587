"""Every claim of every run: as rows, on the results page, with margins and corrections for many claims."""
