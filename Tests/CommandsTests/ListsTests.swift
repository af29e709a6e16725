import Testing

@testable import Commands

/// Replies recorded from redis-server 7.0.15.
@Suite struct `List commands` {
    @Test func `push and pop at both ends`() {
        replay(
            #"""
            rpush l a b c => :3
            lpush l z y => :5
            llen l => :5
            lrange l 0 -1 => *5 $1 y $1 z $1 a $1 b $1 c
            lpop l => $1 y
            rpop l => $1 c
            lpop l 2 => *2 $1 z $1 a
            rpop l 0 => *0
            lpop l 100 => *1 $1 b
            exists l => :0
            lpop l => $-1
            lpop l 3 => *-1
            3> lpop l => _
            3> lpop l 3 => _
            lpop l -1 => -ERR value is out of range, must be positive
            lpop l x => -ERR value is out of range, must be positive
            lpop l 1 2 => -ERR wrong number of arguments for 'lpop' command
            rpop l 1 2 => -ERR wrong number of arguments for 'rpop' command
            lpushx l a => :0
            rpushx l a => :0
            rpush l 1 => :1
            lpushx l 0 => :2
            rpushx l 2 3 => :4
            lrange l 0 -1 => *4 $1 0 $1 1 $1 2 $1 3
            object encoding l => $9 quicklist
            type l => +list
            """#)
    }

    @Test func `read ranges and elements`() {
        replay(
            #"""
            rpush l a b c d => :4
            lrange l 1 2 => *2 $1 b $1 c
            lrange l -2 100 => *2 $1 c $1 d
            lrange l 3 1 => *0
            lrange l -100 0 => *1 $1 a
            lrange l 4 5 => *0
            lrange none 0 -1 => *0
            lrange none x 1 => -ERR value is not an integer or out of range
            lrange l 0 1.5 => -ERR value is not an integer or out of range
            lindex l 0 => $1 a
            lindex l -1 => $1 d
            lindex l 4 => $-1
            lindex l -5 => $-1
            lindex l x => -ERR value is not an integer or out of range
            lindex none x => $-1
            llen none => :0
            """#)
    }

    @Test func `change the middle`() {
        replay(
            #"""
            rpush l a b c a b c a => :7
            lset l 1 B => +OK
            lset l -1 A => +OK
            lset l 7 x => -ERR index out of range
            lset l x x => -ERR value is not an integer or out of range
            lset none 0 x => -ERR no such key
            linsert l before c X => :8
            linsert l AFTER c Y => :9
            linsert l after nope Z => :-1
            linsert none before a b => :0
            linsert l beside a b => -ERR syntax error
            lrange l 0 -1 => *9 $1 a $1 B $1 X $1 c $1 Y $1 a $1 b $1 c $1 A
            lrem l 1 a => :1
            lrem l -1 c => :1
            lrem l 0 nope => :0
            lrem l x a => -ERR value is not an integer or out of range
            lrem none 1 a => :0
            lrange l 0 -1 => *7 $1 B $1 X $1 c $1 Y $1 a $1 b $1 A
            ltrim l 1 3 => +OK
            lrange l 0 -1 => *3 $1 X $1 c $1 Y
            ltrim l -2 -1 => +OK
            lrange l 0 -1 => *2 $1 c $1 Y
            ltrim l 5 9 => +OK
            exists l => :0
            ltrim none 0 1 => +OK
            ltrim none a 1 => -ERR value is not an integer or out of range
            """#)
    }

    @Test func `find positions`() {
        replay(
            #"""
            rpush l a b c 1 2 3 c c => :8
            lpos l c => :2
            lpos l c rank 2 => :6
            lpos l c rank -1 => :7
            lpos l c count 2 => *2 :2 :6
            lpos l c count 0 => *3 :2 :6 :7
            lpos l c rank -1 count 2 => *2 :7 :6
            lpos l c maxlen 3 count 0 => *1 :2
            lpos l c maxlen 2 => $-1
            lpos l x => $-1
            lpos l x count 0 => *0
            lpos none c => $-1
            lpos none c count 1 => *0
            3> lpos none c => _
            lpos l c rank 0 => -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
            lpos l c count -1 => -ERR COUNT can't be negative
            lpos l c maxlen -1 => -ERR MAXLEN can't be negative
            lpos l c rank x => -ERR value is not an integer or out of range
            lpos l c rank => -ERR syntax error
            lpos l c foo 1 => -ERR syntax error
            lpos l c rank -9223372036854775808 => :7
            """#)
    }

    @Test func `move between lists`() {
        replay(
            #"""
            rpush s a b c => :3
            rpoplpush s t => $1 c
            lmove s t left right => $1 a
            lrange s 0 -1 => *1 $1 b
            lrange t 0 -1 => *2 $1 c $1 a
            lmove t t left right => $1 c
            lrange t 0 -1 => *2 $1 a $1 c
            lmove s t RIGHT LEFT => $1 b
            exists s => :0
            lmove s t left left => $-1
            rpoplpush s t => $-1
            3> rpoplpush s t => _
            lmove t t up left => -ERR syntax error
            set str x => +OK
            lmove t str left left => -WRONGTYPE Operation against a key holding the wrong kind of value
            lrange t 0 -1 => *3 $1 b $1 a $1 c
            rpoplpush str t => -WRONGTYPE Operation against a key holding the wrong kind of value
            """#)
    }

    @Test func `refuse other types and arities`() {
        replay(
            #"""
            set str x => +OK
            lpush str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            rpushx str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            lpop str => -WRONGTYPE Operation against a key holding the wrong kind of value
            rpop str 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            llen str => -WRONGTYPE Operation against a key holding the wrong kind of value
            lindex str 0 => -WRONGTYPE Operation against a key holding the wrong kind of value
            lrange str 0 -1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            lset str 0 a => -WRONGTYPE Operation against a key holding the wrong kind of value
            ltrim str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            lrem str 0 a => -WRONGTYPE Operation against a key holding the wrong kind of value
            linsert str before a b => -WRONGTYPE Operation against a key holding the wrong kind of value
            lpos str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            lpush l => -ERR wrong number of arguments for 'lpush' command
            lmove a b left => -ERR wrong number of arguments for 'lmove' command
            """#)
    }
}
