"""People, origins and laws on a virtual clock: what a law would do, before anybody trusts it."""
