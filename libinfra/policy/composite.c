/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Probes and waves. */

#include "policy/composite.h"

#include <stdlib.h>

#include "base/array.h"

/* In a probe's mapping the key that names the kind carries the kind's own value. */
static bool set_kind(struct reader *r, const struct key *k, const struct node *n, struct probe *p)
{
        if (p->kind != PROBE_NONE) {
                complain(r, &n->span, "one kind only", "this probe is '%s' already", probe_kind_name(p->kind));
                return false;
        }
        p->kind = (enum probe_kind)probe_kind_parse(k->name);
        return true;
}

void read_probe_path(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct probe *p = target;

        if (!set_kind(r, k, n, p))
                return;
        if (n->kind != NODE_SCALAR || n->text[0] != '/') {
                complain(r, &n->span, "for example '/'", "'%s' takes the path to ask for", k->name);
                return;
        }
        free(p->path);
        p->path = strdup(n->text);
        r->oom = r->oom || !p->path;
}

void read_probe_command(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct probe *p = target;

        if (!set_kind(r, k, n, p))
                return;
        if (n->kind != NODE_SEQUENCE || n->n_items == 0) {
                complain(r, &n->span, "for example [systemctl, is-active, postfix]", "'%s' takes the command as a list", k->name);
                return;
        }
        for (size_t i = 0; i < n->n_items; i++) {
                if (n->items[i]->kind != NODE_SCALAR)
                        complain(r, &n->items[i]->span, NULL, "an argument is a text, not %s", node_kind_name(n->items[i]));
                else if (strlist_add(&p->command, n->items[i]->text) < 0)
                        r->oom = true;
        }
}

void read_probe_plain(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        if (set_kind(r, k, n, target) && (n->kind != NODE_MAPPING || n->n_items > 0))
                complain(r, &n->span, NULL, "write '%s: {}'", k->name);
}

void read_probe(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct probe *p = (void *)((char *)target + k->offset);
        int kind;

        p->span = n->span;
        if (n->kind == NODE_MAPPING) {
                table_read(r, &probe_table, n, p);
                if (p->kind == PROBE_NONE)
                        complain(r, &n->span, "tcp, smtp, http, https or exec", "this probe has no kind");
                return;
        }
        kind = n->kind == NODE_SCALAR ? probe_kind_parse(n->text) : -1;
        if (kind == PROBE_EXEC)
                complain(r, &n->span, "write { exec: [command, argument] }", "an exec probe needs its command");
        else if (kind < 0)
                complain(r, &n->span, "none, tcp, smtp, http, https, or a mapping", "this is not a probe");
        else
                p->kind = (enum probe_kind)kind;
}

static void read_wave(struct reader *r, const struct node *n, struct draft_waves *waves)
{
        static const struct key names = { .name = "waves", .type = VALUE_NAMES, .doc = "names of containers" };
        struct draft_wave *w;

        if (n->kind != NODE_SEQUENCE || n->n_items == 0) {
                complain(r, &n->span, "for example [[emailout], [email, lists]]", "a wave is a list of containers");
                return;
        }
        w = ARRAY_ADD(waves->items, waves->n);
        if (!w) {
                r->oom = true;
                return;
        }
        w->span = n->span;
        value_read(r, &names, n, &w->names);
}

void read_waves(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct draft_waves *waves = (void *)((char *)target + k->offset);

        waves->span = n->span;
        if (n->kind == NODE_SCALAR && streq(n->text, "auto")) {
                waves->automatic = true;
                return;
        }
        if (n->kind != NODE_SEQUENCE) {
                complain(r, &n->span, k->doc, "'%s' takes 'auto' or a list of lists", k->name);
                return;
        }
        for (size_t i = 0; i < n->n_items; i++)
                read_wave(r, n->items[i], waves);
}
