/// Skein's own commands for clients that want every command executed exactly once. They concern a
/// group's state beside its keys, so the engine executes them; here are only their facts.
enum Once {
    static let commands: [CommandSpec] = [
        // Its keys are those of the command that it carries, behind these many arguments.
        CommandSpec(
            "skein.once", arity: -4, [.write, .denyoom, .movablekeys], [], scope: .connection),
        CommandSpec("skein.session", arity: -2, [], [], scope: .connection),
        CommandSpec("skein.session|open", arity: -2, [.write, .fast], [], scope: .connection),
        CommandSpec("skein.session|help", arity: 2, [.loading, .stale], [], scope: .connection),
    ]
}

extension CommandTable {
    /// SKEIN.ONCE's place in the table.
    public static let onceID = all.first { $0.name.description == "skein.once" }!.id
    /// Where the command that SKEIN.ONCE carries begins among its arguments.
    public static let onceCommandStart = 3
}
