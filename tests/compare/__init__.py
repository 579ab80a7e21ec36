"""Comparing: parties with faults planted in them, rules on numbers given by hand, the reports."""
