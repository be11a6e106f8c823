/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy/tree.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/str.h"

struct node *node_free(struct node *n)
{
        if (!n)
                return NULL;
        for (size_t i = 0; i < n->n_items; i++)
                node_free(n->items[i]);
        free(n->items);
        free(n->text);
        free(n);
        return NULL;
}

const char *node_kind_name(const struct node *n)
{
        static const char *const names[NODE_KIND_MAX] = { "a single value", "a list", "a mapping" };

        return names[n->kind];
}

char *source_line(const struct source *s, unsigned line)
{
        const char *p = s->text;

        if (line == 0)
                return NULL;
        for (unsigned i = 1; i < line && p; i++) {
                p = strchr(p, '\n');
                if (p)
                        p++;
        }
        return p ? strndup(p, strcspn(p, "\r\n")) : NULL;
}

/* Where a parse is: the open lists and mappings, innermost last. */
struct building {
        const struct source *source;
        infra_diags *diags;
        struct node *root;
        struct node *open[POLICY_DEPTH_MAX];
        size_t depth;
        bool refused; /* a diagnostic was given: go on reading nothing */
};

static int refuse(struct building *b, const struct span *span, const char *hint, const char *message)
{
        char *line = source_line(b->source, span->line);
        int r = diags_add(b->diags, span, line, hint, "%s", message);

        free(line);
        b->refused = true;
        return r;
}

static struct span span_of(const struct building *b, struct fy_token *token)
{
        const struct fy_mark *start = token ? fy_token_start_mark(token) : NULL, *end = token ? fy_token_end_mark(token) : NULL;
        struct span span = { .file = b->source->name, .line = 1, .column = 1, .length = 1 };

        if (start) {
                span.line = (unsigned)start->line + 1;
                span.column = (unsigned)start->column + 1;
        }
        if (start && end && end->line == start->line && end->column > start->column)
                span.length = (unsigned)(end->column - start->column);
        return span;
}

/* Puts a node where it belongs. */
static int place(struct building *b, struct node *n)
{
        struct node *parent = b->depth ? b->open[b->depth - 1] : NULL;
        struct node **slot;

        if (!parent) {
                b->root = n;
                return 0;
        }
        slot = ARRAY_ADD(parent->items, parent->n_items);
        if (!slot) {
                node_free(n);
                return -ENOMEM;
        }
        *slot = n;
        return 0;
}

static struct node *node_new(enum node_kind kind, struct span span)
{
        struct node *n = calloc(1, sizeof(*n));

        if (n) {
                n->kind = kind;
                n->span = span;
        }
        return n;
}

static int on_scalar(struct building *b, struct fy_event *event)
{
        struct fy_token *token = event->scalar.value;
        size_t length = 0;
        const char *text = token ? fy_token_get_text(token, &length) : "";
        struct node *n = node_new(NODE_SCALAR, span_of(b, token));

        if (!n)
                return -ENOMEM;
        n->text = strndup(text ? text : "", length);
        n->quoted = token && fy_token_scalar_style(token) != FYSS_PLAIN;
        if (!n->text) {
                node_free(n);
                return -ENOMEM;
        }
        return place(b, n);
}

static int on_open(struct building *b, enum node_kind kind, struct fy_token *token)
{
        struct span span = span_of(b, token);
        struct node *n;
        int r;

        if (b->depth == POLICY_DEPTH_MAX)
                return refuse(b, &span, NULL, "lists and mappings are nested too deep (POLICY_DEPTH_MAX is 16)");
        n = node_new(kind, span);
        r = n ? place(b, n) : -ENOMEM;
        if (r >= 0)
                b->open[b->depth++] = n;
        return r;
}

static int on_event(struct building *b, struct fy_event *event)
{
        struct span span;

        switch (event->type) {
        case FYET_SCALAR:
                return on_scalar(b, event);
        case FYET_MAPPING_START:
                return on_open(b, NODE_MAPPING, event->mapping_start.mapping_start);
        case FYET_SEQUENCE_START:
                return on_open(b, NODE_SEQUENCE, event->sequence_start.sequence_start);
        case FYET_MAPPING_END:
        case FYET_SEQUENCE_END:
                b->depth--;
                return 0;
        case FYET_ALIAS:
                span = span_of(b, event->alias.anchor);
                return refuse(b, &span, "write the value out", "aliases are not used in policies");
        case FYET_DOCUMENT_START:
                if (!b->root)
                        return 0;
                span = span_of(b, event->document_start.document_start);
                return refuse(b, &span, "one file, one document", "a second document begins");
        default:
                return 0;
        }
}

/* libfyaml's collected errors, in its words. */
static int take_errors(struct building *b, struct fy_diag *diag)
{
        struct fy_diag_error *error;
        void *iterator = NULL;

        while ((error = fy_diag_errors_iterate(diag, &iterator))) {
                struct span span = { b->source->name, error->line > 0 ? (unsigned)error->line : 1,
                                     error->column > 0 ? (unsigned)error->column : 1, 1 };

                if (refuse(b, &span, NULL, error->msg) < 0)
                        return -ENOMEM;
        }
        if (!b->refused) {
                struct span span = { b->source->name, 1, 1, 1 };

                return refuse(b, &span, NULL, "this is not YAML");
        }
        return 0;
}

static void nothing(struct fy_diag *diag, void *user, const char *text, size_t length)
{
        (void)diag;
        (void)user;
        (void)text;
        (void)length;
}

static int read_events(struct building *b, struct fy_parser *parser)
{
        struct fy_event *event;
        int r = 0;

        while (r >= 0 && !b->refused && (event = fy_parser_parse(parser))) {
                r = on_event(b, event);
                fy_parser_event_free(parser, event);
        }
        return r;
}

int tree_parse(const struct source *s, infra_diags *diags, struct node **ret)
{
        struct building b = { .source = s, .diags = diags };
        struct fy_diag_cfg diag_cfg;
        struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 };
        struct fy_parser *parser = NULL;
        int r = -ENOMEM;

        fy_diag_cfg_default(&diag_cfg);
        diag_cfg.fp = NULL;
        diag_cfg.output_fn = nothing;
        cfg.diag = fy_diag_create(&diag_cfg);
        if (cfg.diag) {
                fy_diag_set_collect_errors(cfg.diag, true);
                parser = fy_parser_create(&cfg);
        }
        if (parser && fy_parser_set_string(parser, s->text, strlen(s->text)) == 0) {
                r = read_events(&b, parser);
                if (r >= 0 && !b.refused && (fy_diag_got_error(cfg.diag) || b.depth > 0))
                        r = take_errors(&b, cfg.diag);
        }
        fy_parser_destroy(parser);
        fy_diag_destroy(cfg.diag);
        if (r < 0 || b.refused)
                b.root = node_free(b.root);
        *ret = b.root;
        return r;
}
