"""What a corpus consists of: its files, in folders, archives and buckets, and who reads which of them."""
