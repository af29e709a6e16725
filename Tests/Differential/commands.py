"""Every command that the differential test sends, by family: the one list to extend.

`REQUIRED` families are those that the server must have; a command of `EXTRA` is sent once the
server's own COMMAND INFO knows it. grammar.py explains the notation. Commands whose reply is
random, a cursor, or bound to a connection are in special.py.
"""

from grammar import Form

REQUIRED = {
    "strings": """
        4 GET <s>
        6 SET <s> <val>
        6 SET <s> <val> (NX|XX|GET|KEEPTTL|EX <sec>|PX <ms>|EXAT <ats>|PXAT <atms>|nx|get|<option>)*
        SETNX <s> <val>
        SETEX <s> <sec> <val>
        PSETEX <s> <ms> <val>
        GETSET <s> <val>
        GETDEL <s>
        GETEX <s> (EX <sec>|PX <ms>|EXAT <ats>|PXAT <atms>|PERSIST|<option>)?
        GETEX <s> (EX <sec>|PERSIST|PXAT <atms>){1,2}
        MGET <s>{1,5}
        MGET <k>{1,5}
        MSET (<s> <val>){1,4}
        MSET (<k> <val>){1,2}
        MSETNX (<s> <val>){1,3}
        3 APPEND <s> <val>
        STRLEN <s>
        3 INCR <s>
        DECR <s>
        3 INCRBY <s> <int_>
        DECRBY <s> <int_>
        3 INCRBYFLOAT <s> <float_>
        3 GETRANGE <s> <idx> <idx>
        3 SETRANGE <s> <offset> <val>
    """,
    "keys": """
        DEL <k>{1,4}
        UNLINK <k>{1,4}
        EXISTS <k>{1,4}
        3 TYPE <k>
        KEYS <pattern>
        RENAME <k> <k>
        RENAMENX <k> <k>
        TOUCH <k>{1,4}
        3 EXPIRE <k> <sec>
        EXPIRE <k> <sec> (NX|XX|GT|LT|nx|<option>){1,2}
        PEXPIRE <k> <ms> (NX|XX|GT|LT)*
        3 EXPIREAT <k> <ats> (NX|XX|GT|LT)*
        3 PEXPIREAT <k> <atms> (NX|XX|GT|LT)*
        TTL <k>
        PTTL <k>
        EXPIRETIME <k>
        PEXPIRETIME <k>
        PERSIST <k>
        6 OBJECT ENCODING <k>
        OBJECT <option> <k>
        1 DBSIZE
    """,
    "lists": """
        4 LPUSH <l> <member>{1,5}
        5 RPUSH <l> <member>{1,5}
        RPUSH <l> <val>{1,3}
        1 RPUSH <l> <many_elements>
        LPOP <l>
        LPOP <l> <count>
        RPOP <l>
        RPOP <l> <count>
        5 LRANGE <l> <idx> <idx>
        LLEN <l>
        3 LINDEX <l> <idx>
        3 LSET <l> <idx> <val>
        LTRIM <l> <idx> <idx>
        3 LREM <l> <idx> <member>
        3 LINSERT <l> (BEFORE|AFTER|before|<option>) <member> <val>
    """,
    "hashes": """
        6 HSET <h> (<member> <val>){1,4}
        HSET <h> <member>{2,5}
        1 HSET <h> <many_fields>
        4 HGET <h> <member>
        HMSET <h> (<member> <val>){1,3}
        HMGET <h> <member>{1,5}
        3 HGETALL <h>
        3 HDEL <h> <member>{1,4}
        1 HDEL <h> <many_members>
        HLEN <h>
        HEXISTS <h> <member>
        HKEYS <h>
        HVALS <h>
        3 HINCRBY <h> <member> <int_>
        HSETNX <h> <member> <val>
    """,
    "sets": """
        5 SADD <t> <member>{1,6}
        4 SADD <t> <int_>{1,6}
        1 SADD <t> <many_members>
        1 SADD <t> <many_numbers>
        4 SREM <t> <member>{1,5}
        1 SREM <t> <many_numbers>
        3 SMEMBERS <t>
        3 SISMEMBER <t> <member>
        SCARD <t>
    """,
    "sorted sets": """
        6 ZADD <z> (<score> <member>){1,4}
        4 ZADD <z> (NX|XX|GT|LT|CH|INCR|ch|<option>)* (<score> <member>){1,2}
        1 ZADD <z> <many_scored>
        4 ZSCORE <z> <member>
        4 ZRANGE <z> <idx> <idx> (WITHSCORES|REV|withscores)*
        4 ZRANGE <z> <bound> <bound> BYSCORE (REV|WITHSCORES|LIMIT <idx> <idx>)*
        3 ZADD <lexkey> (0 <member>){1,6}
        1 ZADD <lexkey> <many_ties>
        2 ZREM <lexkey> <member>{1,3}
        1 DEL <lexkey>
        4 ZRANGE <lexkey> <lex> <lex> BYLEX (REV|LIMIT <idx> <idx>|WITHSCORES)*
        ZRANGE <lexkey> <bound> <bound> (BYSCORE|BYLEX|REV|WITHSCORES|LIMIT <idx> <idx>|<option>)*
        4 ZRANGEBYSCORE <z> <bound> <bound> (WITHSCORES|LIMIT <idx> <idx>|<option>)*
        3 ZREM <z> <member>{1,4}
        1 ZREM <z> <many_members>
        ZCARD <z>
        3 ZRANK <z> <member>
        4 ZINCRBY <z> <score> <member>
        ZPOPMIN <z> <count>{0,1}
        ZPOPMAX <z> <count>{0,1}
    """,
    "connection": """
        PING
        PING <val>
        ECHO <val>
        4 SELECT <db>
        1 AUTH <name>
        1 AUTH <name> <name>
        1 HELLO <int_> (AUTH <name> <name>|SETNAME <name>|<option>){1,2}
        1 HELLO <member>
        CLIENT GETNAME
        CLIENT SETNAME <name>
        1 CLIENT ID
        1 CLIENT INFO
        1 CLIENT LIST
        1 CLIENT NO-EVICT (ON|OFF|on|<option>)
        1 CLIENT KILL ID <int_>
        1 CLIENT KILL 127.0.0.1:1
        1 CLIENT <option>
        1 CONFIG GET (appendonly|save|no-such-directive|maxclients|*such*)
        1 CONFIG SET <member> <member>
        1 CONFIG RESETSTAT
        1 CONFIG <option>
        1 COMMAND COUNT
        COMMAND INFO <command>{1,3}
        COMMAND INFO <member>
        6 COMMAND GETKEYS <many_command>
        1 COMMAND GETKEYS <command> <member>{0,3}
        1 COMMAND LIST
        1 COMMAND <option>
        1 INFO (server|clients|memory|stats|replication|keyspace|nosuchsection){0,1}
        1 DEBUG SLEEP 0
        1 TIME
    """,
    "server": """
        1 FLUSHDB (ASYNC|SYNC|<option>){0,1}
        1 FLUSHALL (ASYNC|SYNC){0,1}
        2 <nonsense>
        2 <nonsense> <val>{1,6}
    """,
}

EXTRA = {
    "strings": """
        SUBSTR <s> <idx> <idx>
        LCS <s> <s> (LEN|IDX|WITHMATCHLEN|MINMATCHLEN <count>)*
    """,
    "bits": """
        SETBIT <s> <bitoffset> <bit>
        GETBIT <s> <bitoffset>
        BITCOUNT <s>
        BITCOUNT <s> <idx> <idx> (BYTE|BIT|<option>){0,1}
        BITPOS <s> <bit> (<idx>|<idx> <idx>|<idx> <idx> BIT){0,1}
        BITOP (AND|OR|XOR|NOT|<option>) <s> <s>{1,3}
        BITFIELD <s> (GET u8 <bitoffset>|SET i5 <bitoffset> <small_int>|INCRBY u2 <bitoffset> 1|OVERFLOW SAT|OVERFLOW FAIL){1,3}
        BITFIELD_RO <s> (GET u8 <bitoffset>){1,2}
    """,
    "keys": """
        COPY <k> <k> (REPLACE|DB <db>|<option>)*
        MOVE <k> <db>
        1 SWAPDB <db> <db>
        OBJECT REFCOUNT <k>
        OBJECT IDLETIME <k>
        RESTORE <k> <ms> <member>
    """,
    "lists": """
        LPUSHX <l> <member>{1,3}
        RPUSHX <l> <member>{1,3}
        LPOS <l> <member> (RANK <idx>|COUNT <count>|MAXLEN <count>|<option>)*
        LMOVE <l> <l> (LEFT|RIGHT|left) (LEFT|RIGHT|<option>)
        RPOPLPUSH <l> <l>
        LMPOP <count> <l>{1,2} (LEFT|RIGHT|<option>) (COUNT <count>){0,1}
    """,
    "hashes": """
        HSTRLEN <h> <member>
        HINCRBYFLOAT <h> <member> <float_>
    """,
    "sets": """
        SMISMEMBER <t> <member>{1,4}
        SMOVE <t> <t> <member>
        SINTER <t>{1,3}
        SUNION <t>{1,3}
        SDIFF <t>{1,3}
        SINTERSTORE <t> <t>{1,3}
        SUNIONSTORE <t> <t>{1,3}
        SDIFFSTORE <t> <t>{1,3}
        SINTERCARD <count> <t>{1,3} (LIMIT <count>){0,1}
    """,
    "sorted sets": """
        ZMSCORE <z> <member>{1,4}
        ZREVRANK <z> <member>
        ZCOUNT <z> <bound> <bound>
        ZLEXCOUNT <lexkey> <lex> <lex>
        ZREVRANGE <z> <idx> <idx> (WITHSCORES){0,1}
        ZREVRANGEBYSCORE <z> <bound> <bound> (WITHSCORES|LIMIT <idx> <idx>)*
        ZRANGEBYLEX <lexkey> <lex> <lex> (LIMIT <idx> <idx>){0,1}
        ZREVRANGEBYLEX <lexkey> <lex> <lex> (LIMIT <idx> <idx>){0,1}
        ZREMRANGEBYRANK <z> <idx> <idx>
        ZREMRANGEBYSCORE <z> <bound> <bound>
        ZREMRANGEBYLEX <lexkey> <lex> <lex>
        ZRANGESTORE <z> <lexkey> <bound> <bound> (BYSCORE|BYLEX|REV|LIMIT <idx> <idx>)*
        ZUNIONSTORE <z> <count> <z>{1,3} (WEIGHTS <score>{1,3}|AGGREGATE SUM|AGGREGATE MIN|AGGREGATE MAX)*
        ZINTERSTORE <z> <count> <z>{1,3} (WEIGHTS <score>{1,3}|AGGREGATE MIN)*
        ZDIFFSTORE <z> <count> <z>{1,3}
        ZUNION <count> <z>{1,3} (WITHSCORES|WEIGHTS <score>{1,3}|AGGREGATE MAX)*
        ZINTER <count> <z>{1,3} (WITHSCORES|AGGREGATE SUM)*
        ZDIFF <count> <z>{1,3} (WITHSCORES){0,1}
        ZINTERCARD <count> <z>{1,3} (LIMIT <count>){0,1}
        ZMPOP <count> <z>{1,2} (MIN|MAX|<option>) (COUNT <count>){0,1}
    """,
}

# Sent by special.py only; here so that their names are checked and drawn for COMMAND INFO too.
SPECIAL = ["SCAN", "RANDOMKEY", "SPOP", "SRANDMEMBER", "QUIT", "RESET"]
SPECIAL_EXTRA = ["HSCAN", "SSCAN", "ZSCAN", "HRANDFIELD", "ZRANDMEMBER"]


def parse(families):
    return [Form(line.strip(), family) for family, text in families.items()
            for line in text.strip().splitlines()]


REQUIRED_FORMS = parse(REQUIRED)
EXTRA_FORMS = parse(EXTRA)


def names(forms):
    return sorted({form.name for form in forms if not form.name.startswith("<")})


ALL_NAMES = sorted(set(names(REQUIRED_FORMS) + names(EXTRA_FORMS) + SPECIAL + SPECIAL_EXTRA))
