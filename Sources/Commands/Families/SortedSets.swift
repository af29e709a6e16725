/// The sorted set commands.
enum SortedSets {}
