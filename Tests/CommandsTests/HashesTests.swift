import Testing

@testable import Commands

/// Replies recorded from redis-server 7.0.15.
@Suite struct `Hash commands` {
    @Test func `set and get fields`() {
        replay(
            #"""
            hset h a 1 b 2 => :2
            hset h a 3 c 4 => :1
            hset h a => -ERR wrong number of arguments for 'hset' command
            hset h a 1 b => -ERR wrong number of arguments for 'hset' command
            hmset h d 5 => +OK
            hmset h d 5 e => -ERR wrong number of arguments for 'hmset' command
            hget h a => $1 3
            hget h x => $-1
            hget none a => $-1
            3> hget none a => _
            hmget h a x d => *3 $1 3 $-1 $1 5
            3> hmget h a x => *2 $1 3 _
            hmget none a b => *2 $-1 $-1
            hgetall h => *8 $1 a $1 3 $1 b $1 2 $1 c $1 4 $1 d $1 5
            3> hgetall h => %4 $1 a $1 3 $1 b $1 2 $1 c $1 4 $1 d $1 5
            hgetall none => *0
            3> hgetall none => %0
            hkeys h => *4 $1 a $1 b $1 c $1 d
            hvals h => *4 $1 3 $1 2 $1 4 $1 5
            hkeys none => *0
            hlen h => :4
            hlen none => :0
            hexists h a => :1
            hexists h x => :0
            hstrlen h a => :1
            hstrlen h x => :0
            hsetnx h a 9 => :0
            hsetnx h n 9 => :1
            hsetnx new n 9 => :1
            hdel h a b x => :2
            hdel h c d n => :3
            exists h => :0
            hdel h a => :0
            type new => +hash
            object encoding new => $8 listpack
            """#)
    }

    @Test func `count in fields`() {
        replay(
            #"""
            hincrby h n 5 => :5
            hincrby h n -7 => :-2
            hincrby h n x => -ERR value is not an integer or out of range
            hincrby h n 1.5 => -ERR value is not an integer or out of range
            hset h s text big 9223372036854775807 => :2
            hincrby h s 1 => -ERR hash value is not an integer
            hincrby h big 1 => -ERR increment or decrement would overflow
            hincrby h big -1 => :9223372036854775806
            hincrbyfloat h f 10.5 => $4 10.5
            hincrbyfloat h f 0.1 => $4 10.6
            hincrbyfloat h f 5.0e3 => $22 5010.60000000000000009
            hincrbyfloat h n 1.5 => $4 -0.5
            hincrbyfloat h s 1 => -ERR hash value is not a float
            hincrbyfloat h f x => -ERR value is not a valid float
            hincrbyfloat h f inf => -ERR value is NaN or Infinity
            hincrbyfloat none f nan => -ERR value is not a valid float
            exists none => :0
            hset h sp " 1" => :1
            hincrby h sp 1 => -ERR hash value is not an integer
            hincrbyfloat h sp 1 => -ERR hash value is not a float
            hgetall h => *10 $1 n $4 -0.5 $1 s $4 text $3 big $19 9223372036854775806 $1 f $22 5010.60000000000000009 $2 sp $2  1
            """#)
    }

    @Test func `scan and pick`() {
        replay(
            #"""
            hset h a 1 b 2 c 3 => :3
            hscan h 0 => *2 $1 0 *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
            3> hscan h 0 => *2 $1 0 *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
            hscan h 0 match a* => *2 $1 0 *2 $1 a $1 1
            hscan h 0 match * => *2 $1 0 *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
            hscan h 0 count 1 => *2 $1 0 *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
            hscan h 0 count 0 => -ERR syntax error
            hscan h 0 count x => -ERR value is not an integer or out of range
            hscan h 0 type hash => -ERR syntax error
            hscan h 0 match => -ERR syntax error
            hscan h x => -ERR invalid cursor
            hscan none 0 => *2 $1 0 *0
            hscan none 0 foo => *2 $1 0 *0
            hscan none x => -ERR invalid cursor
            hscan h -0 => *2 $1 0 *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
            hrandfield none => $-1
            hrandfield none 3 => *0
            3> hrandfield none => _
            hrandfield h 0 => *0
            hrandfield h 3 withvalues => *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
            3> hrandfield h 3 withvalues => *3 *2 $1 a $1 1 *2 $1 b $1 2 *2 $1 c $1 3
            hrandfield h 5 => *3 $1 a $1 b $1 c
            hrandfield h x => -ERR value is not an integer or out of range
            hrandfield h 1 foo => -ERR syntax error
            hrandfield h 1 withvalues x => -ERR syntax error
            hrandfield h -9223372036854775808 => -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
            hrandfield h 9223372036854775807 withvalues => -ERR value is out of range
            hset one f v => :1
            hrandfield one => $1 f
            hrandfield one -3 => *3 $1 f $1 f $1 f
            hrandfield one -2 withvalues => *4 $1 f $1 v $1 f $1 v
            3> hrandfield one -2 withvalues => *2 *2 $1 f $1 v *2 $1 f $1 v
            """#)
    }

    @Test func `refuse other types`() {
        replay(
            #"""
            set str x => +OK
            hset str a b => -WRONGTYPE Operation against a key holding the wrong kind of value
            hmset str a b => -WRONGTYPE Operation against a key holding the wrong kind of value
            hget str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            hmget str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            hgetall str => -WRONGTYPE Operation against a key holding the wrong kind of value
            hkeys str => -WRONGTYPE Operation against a key holding the wrong kind of value
            hvals str => -WRONGTYPE Operation against a key holding the wrong kind of value
            hlen str => -WRONGTYPE Operation against a key holding the wrong kind of value
            hexists str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            hstrlen str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            hdel str a => -WRONGTYPE Operation against a key holding the wrong kind of value
            hsetnx str a b => -WRONGTYPE Operation against a key holding the wrong kind of value
            hincrby str a 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            hincrbyfloat str a 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            hscan str 0 => -WRONGTYPE Operation against a key holding the wrong kind of value
            hrandfield str => -WRONGTYPE Operation against a key holding the wrong kind of value
            hrandfield str 1 => -WRONGTYPE Operation against a key holding the wrong kind of value
            hset h a => -ERR wrong number of arguments for 'hset' command
            """#)
    }
}
