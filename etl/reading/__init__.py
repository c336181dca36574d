"""Reading the source: the one room that knows extract and transform; sync and verify stand on it.

Overview. A listing is read page by page to its end. What it holds is stored, whatever it lacks; what it lacks is gone
only if the listing can prove it. Sync and verify ask the same functions, so they cannot come to differ.

States of a listing (`completeness.Reading`)

    whole      read to its end, and as long as its `total` says, if it says
    short      fewer items than `total`: read once more, then an error; what was read is stored, nothing is gone
    failed     a page could not be had or understood: what came before is stored, nothing is gone
    blank      it says nothing of its content (null, {}): whole, but no proof where something is stored (doubted)
    empty      it says that there is nothing ([], total 0): whole; of case fields it is doubted where some are stored

Who decides

    completeness   whether a listing is whole, and whether it is blank beside what is missing from it
    case_fields    whether an answer is empty beside the fields that are stored
    expiry         which missing imports are forgotten: past the retention at once, unless the list was empty; any
                   other is asked for by itself, because a list that shifts while it is read skips live ones
    recognition    whether what a whole list holds is the account's at all; of the young imports that are known it has
                   to hold one, or nothing of it is stored
    ownership      whether records say that they are another import's
    records        whether the records of an import are all there, and final; where they cannot be had, the vendor's
                   error file tells those that failed, but never in place of records that were had
    users          whether an answer is empty beside the users that are stored; one whom shifting pages may have
                   hidden is looked for once more

What happens when it fails. A failure of one import is that import's: it stays pending, and the next run asks again.
A failure of the listing ends its resource, after what was read is stored. An answer that is doubted changes nothing,
is said on stderr, and is accepted with `--full`; the listing does not count as complete, so a gap in coverage shows.

Parsing and flattening of many records happen in a process beside this one (`pool`), which holds no secret.
"""
