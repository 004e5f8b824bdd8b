"""What made a result: fingerprints that decide whether it is still good, records beside it, its history."""
