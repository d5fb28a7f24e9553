"""The nouns of the OCI specifications. Nothing here touches a disk, a network or a clock."""
