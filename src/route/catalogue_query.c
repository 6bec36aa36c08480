/*
 * The SQL that reads a catalogue.
 *
 * What a view or a policy calls is read from its stored expression: pg_depend
 * does not list PostgreSQL's own functions.  Objects of the user have an OID
 * of 16384 and more (FirstNormalObjectId).  Policies may ask for settings:
 * of those the client's own are the same on every server.
 */

#include "route/catalogue.h"

/* Tables of a client's own come and go, and with them their array types. */
#define IS_SHARED							\
" typnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace"	\
"  WHERE nspname LIKE 'pg\\_temp\\_%')"

/* Changes with everything that the other query reads of the user's. */
const char	catalogue_fingerprint_query[] =
"SELECT pg_catalog.sum(pg_catalog.hashtextextended(t.kind ||"
"  t.oid::pg_catalog.text || '/' || t.xmin::pg_catalog.text, 0)) FROM ("
" SELECT 'f', oid, xmin FROM pg_catalog.pg_proc"
" UNION ALL SELECT 'r', oid, xmin FROM pg_catalog.pg_class"
"  WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')"
"  AND relpersistence <> 't' AND relnamespace <> 99"
" UNION ALL SELECT 'w', oid, xmin FROM pg_catalog.pg_rewrite"
" UNION ALL SELECT 'p', oid, xmin FROM pg_catalog.pg_policy"
" UNION ALL SELECT 't', oid, xmin FROM pg_catalog.pg_type"
"  WHERE typtype <> 'c' AND" IS_SHARED
" UNION ALL SELECT 'c', oid, xmin FROM pg_catalog.pg_cast"
" UNION ALL SELECT 'o', oid, xmin FROM pg_catalog.pg_operator"
" UNION ALL SELECT 'm', oid, xmin FROM pg_catalog.pg_amproc"
" UNION ALL SELECT 'a', oid, xmin FROM pg_catalog.pg_amop"
" UNION ALL SELECT 'd', oid, xmin FROM pg_catalog.pg_constraint"
"  WHERE contypid <> 0"
" UNION ALL SELECT 'i', inhrelid, xmin FROM pg_catalog.pg_inherits"
") AS t (kind, oid, xmin)";

/* Volatile, but what they do is nobody's business but the caller's. */
#define HARMLESS							\
"'{random,random_normal,clock_timestamp,timeofday,gen_random_uuid,"	\
"uuidv4,uuidv7,pg_sleep,pg_sleep_for,pg_sleep_until,bernoulli,system,"	\
"current_query}'"

/*
 * Not volatile, but a replica cannot answer, or would answer otherwise; as do
 * pg_stat_get_...() and others of that kind.
 */
#define HARMFUL								\
"'{txid_current,txid_current_if_assigned,pg_current_xact_id,"		\
"pg_current_xact_id_if_assigned,current_setting,pg_show_all_settings,"	\
"table_to_xml,table_to_xmlschema,table_to_xml_and_xmlschema,"		\
"schema_to_xml,schema_to_xmlschema,schema_to_xml_and_xmlschema,"	\
"database_to_xml,database_to_xmlschema,database_to_xml_and_xmlschema,"	\
"cursor_to_xml,cursor_to_xmlschema,pg_listening_channels,"		\
"pg_walfile_name,pg_walfile_name_offset}'"

/* Extensions: uuids and the like do no harm; SQL in an argument may. */
#define HARMLESS_LIBRARIES	"('$libdir/pgcrypto', '$libdir/uuid-ossp')"
#define HARMFUL_LIBRARIES	"('$libdir/tablefunc', '$libdir/pgxml')"

#define REFERENCES							\
"':(funcid|opfuncid|aggfnoid|winfnoid|tsmhandler|opno|relid|resulttype)"\
" ([0-9]+)'"

const char	catalogue_query[] =
"WITH RECURSIVE volatile (oid) AS MATERIALIZED ("
" SELECT oid FROM pg_catalog.pg_proc"
"  WHERE prokind = 'p'"
"  OR (provolatile = 'v' AND NOT (oid < 16384 AND proname = ANY ("
HARMLESS "::pg_catalog.name[]))"
"   AND NOT coalesce(probin IN " HARMLESS_LIBRARIES ", false))"
"  OR (oid < 16384 AND (proname = ANY (" HARMFUL "::pg_catalog.name[])"
"   OR proname LIKE 'pg\\_stat\\_%'))"
"  OR probin IN " HARMFUL_LIBRARIES
" UNION SELECT a.aggfnoid::pg_catalog.oid FROM pg_catalog.pg_aggregate a"
"  JOIN pg_catalog.pg_proc p ON p.oid IN (a.aggtransfn, a.aggfinalfn,"
"   a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,"
"   a.aggminvtransfn, a.aggmfinalfn)"
"  WHERE p.provolatile = 'v' AND a.aggfnoid >= 16384"
"), default_call (owner, oid) AS MATERIALIZED ("
" SELECT p.oid, m[1]::pg_catalog.oid FROM pg_catalog.pg_proc p,"
"  pg_catalog.regexp_matches(p.proargdefaults::pg_catalog.text,"
"   ':(?:funcid|opfuncid) ([0-9]+)', 'g') m WHERE p.oid >= 16384"
"), bad_function (oid) AS MATERIALIZED ("
" SELECT oid FROM volatile"
" UNION SELECT d.owner FROM bad_function b JOIN default_call d"
"  ON d.oid = b.oid"
"), bad_operator (oid) AS MATERIALIZED ("
" SELECT oid FROM pg_catalog.pg_operator"
"  WHERE oprcode IN (SELECT oid FROM bad_function)"
"), bad_cast AS MATERIALIZED ("
" SELECT casttarget, castcontext FROM pg_catalog.pg_cast"
"  WHERE castfunc IN (SELECT oid FROM bad_function)"
"), tree (owner, kind, text) AS ("
" SELECT r.ev_class, 'r', r.ev_action::pg_catalog.text"
"  FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c"
"   ON c.oid = r.ev_class"
"  WHERE r.ev_type = '1' AND c.relkind = 'v' AND c.oid >= 16384"
" UNION ALL SELECT polrelid, 'r', polqual::pg_catalog.text"
"  FROM pg_catalog.pg_policy WHERE polqual IS NOT NULL"
" UNION ALL SELECT contypid, 't', conbin::pg_catalog.text"
"  FROM pg_catalog.pg_constraint WHERE contypid >= 16384"
"), reference (owner, kind, what, oid) AS MATERIALIZED ("
" SELECT DISTINCT t.owner, t.kind, m[1], m[2]::pg_catalog.oid FROM tree t,"
"  pg_catalog.regexp_matches(t.text, " REFERENCES ", 'g') m"
"), part (whole, oid) AS ("
" SELECT oid, typbasetype FROM pg_catalog.pg_type WHERE typbasetype <> 0"
" UNION ALL SELECT oid, typelem FROM pg_catalog.pg_type WHERE typelem <> 0"
" UNION ALL SELECT rngtypid, rngsubtype FROM pg_catalog.pg_range"
" UNION ALL SELECT t.oid, a.atttypid FROM pg_catalog.pg_type t"
"  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid"
"  WHERE t.typtype = 'c' AND t.oid >= 16384 AND a.attnum > 0"
"   AND NOT a.attisdropped"
"), bad_type (oid) AS ("
" SELECT oid FROM pg_catalog.pg_type WHERE oid >= 16384 AND (typinput IN"
"  (SELECT oid FROM bad_function) OR oid IN (SELECT owner FROM reference r"
"   WHERE r.kind = 't' AND (r.oid IN (SELECT oid FROM bad_function)"
"    OR r.oid IN (SELECT oid FROM bad_operator))))"
" UNION SELECT casttarget FROM bad_cast"
" UNION SELECT p.whole FROM bad_type b JOIN part p ON p.oid = b.oid"
"), edge (owner, oid) AS MATERIALIZED ("
" SELECT owner, oid FROM reference WHERE kind = 'r' AND what = 'relid'"
" UNION ALL SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits"
"), bad_relation (oid) AS ("
" SELECT oid FROM pg_catalog.pg_class WHERE oid < 16384"
"  OR relkind IN ('S', 'f') OR relpersistence = 'u'"
"  OR relnamespace IN (SELECT oid FROM pg_catalog.pg_namespace"
"   WHERE nspname IN ('pg_catalog', 'information_schema'))"
" UNION SELECT owner FROM reference r WHERE r.kind = 'r' AND CASE r.what"
"  WHEN 'relid' THEN false"
"  WHEN 'opno' THEN r.oid IN (SELECT oid FROM bad_operator)"
"  WHEN 'resulttype' THEN r.oid IN (SELECT oid FROM bad_type)"
"  ELSE r.oid IN (SELECT oid FROM bad_function EXCEPT SELECT oid"
"   FROM pg_catalog.pg_proc WHERE oid < 16384"
"   AND proname = 'current_setting') END"
" UNION SELECT e.owner FROM bad_relation b JOIN edge e ON e.oid = b.oid"
")"
" SELECT 'f', p.proname::pg_catalog.text, pg_catalog.bool_or(b.oid"
"  IS NOT NULL OR (p.prorettype || p.proargtypes::pg_catalog.oid[]) &&"
"   ARRAY(SELECT oid FROM bad_type)) FROM pg_catalog.pg_proc p"
"  LEFT JOIN bad_function b ON b.oid = p.oid GROUP BY p.proname"
" UNION ALL SELECT 'r', c.relname::pg_catalog.text, pg_catalog.bool_or("
"  b.oid IS NOT NULL) FROM pg_catalog.pg_class c"
"  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
"  LEFT JOIN bad_relation b ON b.oid = c.oid"
"  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
"   AND c.relpersistence <> 't' AND n.nspname NOT IN"
"    ('information_schema', 'pg_toast') GROUP BY c.relname"
" UNION ALL SELECT 'r', 'information_schema', true"
" UNION ALL SELECT 't', t.typname::pg_catalog.text, pg_catalog.bool_or("
"  b.oid IS NOT NULL) FROM pg_catalog.pg_type t"
"  LEFT JOIN bad_type b ON b.oid = t.oid"
"  WHERE t.typtype <> 'p' AND t.typnamespace <> 99 AND" IS_SHARED
"  GROUP BY t.typname"
" UNION ALL SELECT DISTINCT 'o', o.oprname::pg_catalog.text, true"
"  FROM pg_catalog.pg_operator o WHERE o.oid IN (SELECT oid"
"   FROM bad_operator) OR o.oprleft IN (SELECT oid FROM bad_type)"
"  OR o.oprright IN (SELECT oid FROM bad_type)"
" UNION ALL SELECT '!', '', EXISTS (SELECT FROM bad_cast"
"  WHERE castcontext = 'i' OR casttarget < 16384)"
"  OR EXISTS (SELECT FROM pg_catalog.pg_amproc"
"   WHERE amproc IN (SELECT oid FROM bad_function))"
"  OR EXISTS (SELECT FROM pg_catalog.pg_amop"
"   WHERE amopopr IN (SELECT oid FROM bad_operator))";
