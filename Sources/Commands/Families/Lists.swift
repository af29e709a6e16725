/// The list commands.
enum Lists {}
