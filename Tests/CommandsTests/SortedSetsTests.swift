import Testing

@testable import Commands

/// Replies recorded from redis-server 7.0.15.
@Suite struct `Sorted set commands` {
    @Test func `add with options`() {
        replay(
            #"""
            zadd z 1 a 2 b => :2
            zadd z 3 a 3 c => :1
            zadd z nx 9 a 4 d => :1
            zadd z xx 9 a 9 new => :0
            zadd z xx ch 8 a => :1
            zadd z gt 1 a => :0
            zadd z gt ch 10 a => :1
            zadd z lt ch 5 a 9 b => :1
            zadd z incr 2 a => $1 7
            zadd z nx incr 2 a => $-1
            zadd z xx incr 2 nope => $-1
            zadd none xx 1 a => :0
            zadd none xx incr 1 a => $-1
            3> zadd z incr 0.5 a => ,7.5
            3> zadd z nx incr 1 a => _
            zadd z incr 1 a 2 b => -ERR INCR option supports a single increment-element pair
            zadd z nx xx 1 a => -ERR XX and NX options at the same time are not compatible
            zadd z nx gt 1 a => -ERR GT, LT, and/or NX options at the same time are not compatible
            zadd z gt lt 1 a => -ERR GT, LT, and/or NX options at the same time are not compatible
            zadd z 1 => -ERR wrong number of arguments for 'zadd' command
            zadd z 1 a 2 => -ERR syntax error
            zadd z nx ch => -ERR syntax error
            zadd z x a => -ERR value is not a valid float
            zadd z 1 q nan r => -ERR value is not a valid float
            zscore z q => $-1
            zadd z inf i -inf j => :2
            zadd z incr -inf i => -ERR resulting score is not a number (NaN)
            zincrby z -inf i => -ERR resulting score is not a number (NaN)
            zrange z 0 -1 withscores => *12 $1 j $4 -inf $1 b $1 2 $1 c $1 3 $1 d $1 4 $1 a $3 7.5 $1 i $3 inf
            3> zrange z 0 -1 withscores => *6 *2 $1 j ,-inf *2 $1 b ,2 *2 $1 c ,3 *2 $1 d ,4 *2 $1 a ,7.5 *2 $1 i ,inf
            zadd z 1e400 a => -ERR value is not a valid float
            zadd neg -0 m => :1
            zscore neg m => $1 0
            zincrby neg2 -0 m => $2 -0
            """#)
    }

    @Test func `score, rank and count`() {
        replay(
            #"""
            zadd z 1 a 2 b 2 c 3.5 d => :4
            zscore z d => $3 3.5
            3> zscore z d => ,3.5
            zscore z x => $-1
            zscore none x => $-1
            zmscore z a x d => *3 $1 1 $-1 $3 3.5
            3> zmscore z a x => *2 ,1 _
            zmscore none a b => *2 $-1 $-1
            zcard z => :4
            zcard none => :0
            zrank z a => :0
            zrank z d => :3
            zrank z x => $-1
            zrank none a => $-1
            3> zrank z x => _
            zrevrank z a => :3
            zrevrank z d => :0
            zrevrank z x => $-1
            zcount z 1 2 => :3
            zcount z (1 (3.5 => :2
            zcount z -inf +inf => :4
            zcount z (2 2 => :0
            zcount z 3 1 => :0
            zcount z x 1 => -ERR min or max is not a float
            zcount none x 1 => -ERR min or max is not a float
            zcount none 1 2 => :0
            zincrby z 1.5 a => $3 2.5
            zincrby z x a => -ERR value is not a valid float
            zincrby z NX a => -ERR syntax error
            zincrby z incr 1 => -ERR syntax error
            zincrby z GT LT => -ERR syntax error
            zincrby z 1 new => $1 1
            3> zincrby z 1 new => ,2
            zrem z a x => :1
            zrem z b c d new => :4
            exists z => :0
            zrem z a => :0
            object encoding neg => $-1
            """#)
    }

    @Test func `range by rank, score and name`() {
        replay(
            #"""
            zadd z 1 a 2 b 3 c 4 d => :4
            zrange z 0 1 => *2 $1 a $1 b
            zrange z -2 -1 withscores => *4 $1 c $1 3 $1 d $1 4
            zrange z 2 1 => *0
            zrange z 0 -1 rev => *4 $1 d $1 c $1 b $1 a
            zrange z 0 1 rev withscores => *4 $1 d $1 4 $1 c $1 3
            zrevrange z 0 1 => *2 $1 d $1 c
            zrevrange z 0 0 withscores => *2 $1 d $1 4
            zrange z 2 3 byscore => *2 $1 b $1 c
            zrange z (2 +inf byscore limit 1 5 => *1 $1 d
            zrange z +inf (2 byscore rev => *2 $1 d $1 c
            zrange z +inf 1 byscore rev limit 1 2 withscores => *4 $1 c $1 3 $1 b $1 2
            zrange z 0 1 limit 0 1 => -ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
            zrange z 0 1 limit 0 -1 => *2 $1 a $1 b
            zrange z - + bylex withscores => -ERR syntax error, WITHSCORES not supported in combination with BYLEX
            zrange z 0 1 foo => -ERR syntax error
            zrange z 0 1 rev rev => -ERR syntax error
            zrange z 0 1 byscore bylex => -ERR syntax error
            zrange z a 1 => -ERR value is not an integer or out of range
            zrange z a 1 byscore => -ERR min or max is not a float
            zrange z a 1 bylex => -ERR min or max not valid string range item
            zrange none 0 1 => *0
            zrange none a 1 => -ERR value is not an integer or out of range
            zrange z 0 1 limit 1 => -ERR syntax error
            zrangebyscore z 1 3 => *3 $1 a $1 b $1 c
            zrangebyscore z (1 3 withscores => *4 $1 b $1 2 $1 c $1 3
            zrangebyscore z 1 9 limit 1 2 => *2 $1 b $1 c
            zrangebyscore z 1 9 limit -1 2 => *0
            zrangebyscore z 1 9 limit 1 -1 => *3 $1 b $1 c $1 d
            zrangebyscore z 1 9 limit 9 1 => *0
            zrangebyscore z 1 9 rev => -ERR syntax error
            zrevrangebyscore z 3 1 => *3 $1 c $1 b $1 a
            zrevrangebyscore z 9 (1 withscores limit 0 2 => *4 $1 d $1 4 $1 c $1 3
            3> zrangebyscore z 1 2 withscores => *2 *2 $1 a ,1 *2 $1 b ,2
            zadd l 0 a 0 b 0 c 0 d => :4
            zrangebylex l - + => *4 $1 a $1 b $1 c $1 d
            zrangebylex l [b (d => *2 $1 b $1 c
            zrangebylex l (a + limit 1 1 => *1 $1 c
            zrevrangebylex l + [c => *2 $1 d $1 c
            zrangebylex l + - => *0
            zrangebylex l b c => -ERR min or max not valid string range item
            zlexcount l [b + => :3
            zlexcount l - (b => :1
            zlexcount none - + => :0
            zlexcount l a + => -ERR min or max not valid string range item
            zrangestore d z 0 1 => :2
            zrange d 0 -1 withscores => *4 $1 a $1 1 $1 b $1 2
            zrangestore d z 2 +inf byscore limit 1 1 => :1
            zrange d 0 -1 => *1 $1 c
            zrangestore d z 5 9 => :0
            exists d => :0
            zrangestore d z 0 1 withscores => -ERR syntax error
            zrangestore d none 0 1 => :0
            """#)
    }

    @Test func `pop and remove ranges`() {
        replay(
            #"""
            zadd z 1 a 2 b 3 c 4 d 5 e 6 f => :6
            zpopmin z => *2 $1 a $1 1
            3> zpopmax z => *2 $1 f ,6
            zpopmin z 2 => *4 $1 b $1 2 $1 c $1 3
            3> zpopmax z 1 => *1 *2 $1 e ,5
            zpopmin z 0 => *0
            zpopmin z -1 => -ERR value is out of range, must be positive
            zpopmin z x => -ERR value is out of range, must be positive
            zpopmin z 1 2 => -ERR syntax error
            zpopmax z 9 => *2 $1 d $1 4
            exists z => :0
            zpopmin z => *0
            3> zpopmin z => *0
            zpopmin z 1 => *0
            zadd z 1 a 2 b 3 c 4 d 5 e 6 f => :6
            zremrangebyrank z 0 1 => :2
            zremrangebyrank z -1 -1 => :1
            zremrangebyrank z x 1 => -ERR value is not an integer or out of range
            zremrangebyscore z (3 4 => :1
            zremrangebyscore z x 1 => -ERR min or max is not a float
            zremrangebyscore none 0 1 => :0
            zrange z 0 -1 => *2 $1 c $1 e
            zremrangebyscore z -inf +inf => :2
            exists z => :0
            zadd l 0 a 0 b 0 c => :3
            zremrangebylex l [b + => :2
            zremrangebylex l b + => -ERR min or max not valid string range item
            zrange l 0 -1 => *1 $1 a
            zadd s 1.5 a 100000000000000000 b inf c => :3
            zscan s 0 => *2 $1 0 *6 $1 a $3 1.5 $1 b $18 100000000000000000 $1 c $3 inf
            3> zscan s 0 match b => *2 $1 0 *2 $1 b $18 100000000000000000
            zscan none 0 => *2 $1 0 *0
            zscan s x => -ERR invalid cursor
            zrandmember none => $-1
            zrandmember none 1 => *0
            zadd one 1 m => :1
            zrandmember one => $1 m
            zrandmember one -2 withscores => *4 $1 m $1 1 $1 m $1 1
            3> zrandmember one 5 withscores => *1 *2 $1 m ,1
            zrandmember one 1 foo => -ERR syntax error
            """#)
    }

    @Test func `refuse other types`() {
        replay(
            #"""
            set str x => +OK
            zadd str 1 a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zadd str x a => -ERR value is not a valid float
            zincrby str 1 a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zscore str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zmscore str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zcard str => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrank str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrevrank str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zcount str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zlexcount str - + => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrange str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrange str 0 1 bylex => -ERR min or max not valid string range item
            zrevrange str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrangebyscore str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrangebylex str - + => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrangestore d str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrem str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            zpopmin str => -WRONGTYPE Operation against a key holding the wrong kind of value
            zpopmax str 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zremrangebyrank str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zremrangebyscore str 0 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zscan str 0 => -WRONGTYPE Operation against a key holding the wrong kind of value
            zrandmember str => -WRONGTYPE Operation against a key holding the wrong kind of value
            """#)
    }
}
