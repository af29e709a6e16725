internal import RESP

/// A time that a client gave for a key: EX seconds, PX milliseconds, EXAT, PXAT.
struct ExpiryOption {
    enum Unit {
        case seconds
        case milliseconds
    }

    /// Position of the number among the arguments.
    var position: Int
    var unit: Unit
    /// Counted from now, else since 1970.
    var isRelative: Bool

    static func relative(_ unit: Unit, at position: Int) -> ExpiryOption {
        ExpiryOption(position: position, unit: unit, isRelative: true)
    }

    /// Milliseconds since 1970; nil when the number is none or does not fit 64 bits (that is
    /// replied). Numbers that are not positive are errors, as for SET.
    func time(
        _ context: inout CommandContext, _ request: borrowing Request, command: StaticString
    ) -> Int64? {
        guard let number = context.integer(request, position) else { return nil }
        guard number > 0,
            let time = Self.milliseconds(
                number, unit, since: isRelative ? context.now : 0)
        else {
            Self.writeInvalid(&context, command)
            return nil
        }
        return time
    }

    /// `number` units after `base`; nil when that does not fit 64 bits.
    static func milliseconds(_ number: Int64, _ unit: Unit, since base: Int64) -> Int64? {
        let (scaled, tooLarge) = number.multipliedReportingOverflow(by: unit == .seconds ? 1000 : 1)
        let (time, overflow) = scaled.addingReportingOverflow(base)
        return tooLarge || overflow ? nil : time
    }

    static func writeInvalid(_ context: inout CommandContext, _ command: StaticString) {
        context.reply.openError("ERR invalid expire time in '")
        context.reply.errorText(command)
        context.reply.errorText("' command")
        context.reply.closeError()
    }
}
