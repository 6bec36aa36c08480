/*
 * See ops/metrics_text.h.
 */

#include "base/json.h"
#include "ops/metrics_text.h"

void
metrics_head(struct buf *out, const char *name, const char *type,
    const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	    type);
}

void
metrics_open(struct buf *out, const char *name)
{
	buf_add_text(out, name);
}

/* The first label opens the brace: the byte before tells. */
void
metrics_label(struct buf *out, const char *label, const char *value)
{
	bool	has_labels = buf_bytes(out)[buf_length(out) - 1] == '"';

	buf_printf(out, "%s%s=\"", has_labels ? "," : "{", label);
	json_add_label(out, value != NULL ? value : "");
	buf_add_text(out, "\"");
}

void
metrics_value(struct buf *out, double value)
{
	bool	has_labels = buf_bytes(out)[buf_length(out) - 1] == '"';

	buf_printf(out, "%s %.15g\n", has_labels ? "}" : "", value);
}

void
metrics_integer(struct buf *out, const char *name, const char *help,
    int64_t value)
{
	metrics_head(out, name, "gauge", help);
	metrics_open(out, name);
	metrics_value(out, (double)value);
}
