import Testing

@testable import Commands

/// Replies recorded from redis-server 7.0.15.
@Suite struct `Set commands` {
    @Test func `add, remove and ask`() {
        replay(
            #"""
            sadd s 3 1 2 => :3
            sadd s 1 4 => :1
            smembers s => *4 $1 1 $1 2 $1 3 $1 4
            3> smembers s => ~4 $1 1 $1 2 $1 3 $1 4
            object encoding s => $6 intset
            scard s => :4
            sismember s 1 => :1
            sismember s 01 => :0
            smismember s 1 9 2 => *3 :1 :0 :1
            smismember none 1 2 => *2 :0 :0
            srem s 1 9 => :1
            srem s 2 3 4 => :3
            exists s => :0
            srem s 1 => :0
            scard s => :0
            sismember s 1 => :0
            smembers s => *0
            3> smembers s => ~0
            sadd t a => :1
            object encoding t => $9 hashtable
            type t => +set
            """#)
    }

    @Test func `move members`() {
        replay(
            #"""
            sadd a 1 2 => :2
            sadd b 3 => :1
            smove a b 1 => :1
            smove a b 9 => :0
            smove none b 1 => :0
            smove a a 2 => :1
            smove a a 9 => :0
            smove a b 2 => :1
            exists a => :0
            smembers b => *3 $1 1 $1 2 $1 3
            smove b new 1 => :1
            smembers new => *1 $1 1
            set str x => +OK
            smove str b 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            smove b str 2 => -WRONGTYPE Operation against a key holding the wrong kind of value
            smove none str 2 => :0
            """#)
    }

    @Test func `pick at random`() {
        replay(
            #"""
            sadd s 1 => :1
            srandmember s => $1 1
            srandmember s 5 => *1 $1 1
            srandmember s -3 => *3 $1 1 $1 1 $1 1
            3> srandmember s 5 => *1 $1 1
            srandmember s 0 => *0
            srandmember none => $-1
            srandmember none 1 => *0
            srandmember s x => -ERR value is not an integer or out of range
            srandmember s 1 2 => -ERR syntax error
            srandmember s -9223372036854775808 => -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
            spop s 0 => *0
            3> spop s 0 => ~0
            spop none => $-1
            3> spop none => _
            spop none 1 => *0
            3> spop none 1 => ~0
            spop s -1 => -ERR value is out of range, must be positive
            spop s x => -ERR value is out of range, must be positive
            spop s 1 2 => -ERR syntax error
            spop s => $1 1
            exists s => :0
            sadd s 1 2 => :2
            spop s 5 => *2 $1 1 $1 2
            3> spop s 5 => ~0
            exists s => :0
            sadd s 5 => :1
            3> spop s 1 => ~1 $1 5
            sadd s 1 2 3 => :3
            sscan s 0 => *2 $1 0 *3 $1 1 $1 2 $1 3
            3> sscan s 0 match [12] => *2 $1 0 *2 $1 1 $1 2
            sscan s x => -ERR invalid cursor
            sscan none 0 => *2 $1 0 *0
            sscan s 0 count 0 => -ERR syntax error
            """#)
    }

    @Test func `combine`() {
        replay(
            #"""
            sadd a 1 2 3 4 => :4
            sadd b 3 4 5 => :3
            sadd c 4 6 => :2
            sinter a b c => *1 $1 4
            sinter a none => *0
            sinter a => *4 $1 1 $1 2 $1 3 $1 4
            sunion b c => *4 $1 3 $1 4 $1 5 $1 6
            3> sunion b c => ~4 $1 3 $1 4 $1 5 $1 6
            sunion none => *0
            sdiff a b c => *2 $1 1 $1 2
            sdiff none a => *0
            3> sdiff a b => ~2 $1 1 $1 2
            3> sinter a none => ~0
            sinterstore d a b => :2
            smembers d => *2 $1 3 $1 4
            sunionstore d a b c => :6
            smembers d => *6 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6
            sdiffstore d a b => :2
            smembers d => *2 $1 1 $1 2
            sinterstore d a none => :0
            exists d => :0
            set d x => +OK
            sdiffstore d none => :0
            exists d => :0
            set str x => +OK
            sunionstore str a => :4
            smembers str => *4 $1 1 $1 2 $1 3 $1 4
            set str x => +OK
            sinter a str => -WRONGTYPE Operation against a key holding the wrong kind of value
            sunion none str => -WRONGTYPE Operation against a key holding the wrong kind of value
            sdiff a none str => -WRONGTYPE Operation against a key holding the wrong kind of value
            sinterstore d a str => -WRONGTYPE Operation against a key holding the wrong kind of value
            sintercard 2 a b => :2
            sintercard 2 a b limit 1 => :1
            sintercard 2 a b limit 0 => :2
            sintercard 2 a b limit -1 => -ERR LIMIT can't be negative
            sintercard 2 a b limit x => -ERR LIMIT can't be negative
            sintercard 0 a => -ERR numkeys should be greater than 0
            sintercard x a => -ERR numkeys should be greater than 0
            sintercard 3 a b => -ERR Number of keys can't be greater than number of args
            sintercard 1 a foo => -ERR syntax error
            sintercard 1 a limit => -ERR syntax error
            sintercard 2 a none => :0
            """#)
    }

    @Test func `refuse other types`() {
        replay(
            #"""
            set str x => +OK
            sadd str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            srem str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            smembers str => -WRONGTYPE Operation against a key holding the wrong kind of value
            sismember str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            smismember str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            scard str => -WRONGTYPE Operation against a key holding the wrong kind of value
            spop str => -WRONGTYPE Operation against a key holding the wrong kind of value
            spop str 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            srandmember str => -WRONGTYPE Operation against a key holding the wrong kind of value
            srandmember str 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            sscan str 0 => -WRONGTYPE Operation against a key holding the wrong kind of value
            """#)
    }
}
