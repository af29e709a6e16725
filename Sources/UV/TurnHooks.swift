internal import CLibuv

/// Runs once per turn, right before the loop goes to sleep: the place to flush what the turn has
/// gathered.
public final class Prepare: Handle {
    private var body: (() -> Void)?

    public init(_ loop: Loop, _ body: @escaping () -> Void) {
        self.body = body
        super.init(loop: loop, type: UV_PREPARE)
        uv_prepare_init(loop.raw, pointer())
        opened()
        uv_prepare_start(pointer(), onPrepare)
    }

    override func dropOwner() { body = nil }

    fileprivate func run() { body?() }
}

/// Runs once per turn, right after the loop has polled and served its sockets.
public final class Check: Handle {
    private var body: (() -> Void)?

    public init(_ loop: Loop, _ body: @escaping () -> Void) {
        self.body = body
        super.init(loop: loop, type: UV_CHECK)
        uv_check_init(loop.raw, pointer())
        opened()
        uv_check_start(pointer(), onCheck)
    }

    override func dropOwner() { body = nil }

    fileprivate func run() { body?() }
}

/// While awake, the loop polls without sleeping.
public final class Insomnia: Handle {
    public init(_ loop: Loop) {
        super.init(loop: loop, type: UV_IDLE)
        uv_idle_init(loop.raw, pointer())
        opened()
    }

    /// Whether the loop is kept from sleeping.
    public var isAwake: Bool {
        get { uv_is_active(pointer()) != 0 }
        set {
            guard newValue != isAwake, !isClosing else { return }
            if newValue {
                uv_idle_start(pointer(), onIdle)
            } else {
                uv_idle_stop(pointer())
            }
        }
    }
}

@c func onPrepare(_ prepare: UnsafeMutablePointer<uv_prepare_t>?) {
    Prepare.recover(prepare?.pointee.data).run()
}

@c func onCheck(_ check: UnsafeMutablePointer<uv_check_t>?) {
    Check.recover(check?.pointee.data).run()
}

@c func onIdle(_: UnsafeMutablePointer<uv_idle_t>?) {}
