/// The hash commands.
enum Hashes {}
