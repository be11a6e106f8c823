/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two rulesets compared, whatever they come from; the answer as JSON. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <infra/estate.h>
#include <infra/firewall.h>

#include "base/json.h"
#include "estate/estate.h"
#include "firewall/analyse/compare.h"
#include "firewall/firewall.h"

enum { EQUAL_MEMORY_MAX = 1 << 30 };

static int read_kernel(struct ruleset **ret, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_read(f, ret, reterr);
        if (r >= 0 && !*ret)
                return infra_error_set(reterr, -ENOENT, "no ruleset of ours is loaded in the kernel");
        return r;
}

static int read_policy(const char *directory, infra_estate **ret_estate, struct ruleset **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        int r = diags ? infra_estate_load(directory, NULL, diags, ret_estate, reterr) : infra_error_oom(reterr);

        if (r == -EBADMSG)
                return infra_error_set(reterr, r, "the policy %s has errors; infractl check %s shows them", directory, directory);
        return r < 0 ? r : firewall_compile(*ret_estate, ret, reterr);
}

/* Spans of a ruleset from a policy point into its estate, which must live as long. */
static int read_source(const char *source, infra_estate **ret_estate, struct ruleset **ret, infra_error **reterr)
{
        struct stat st;

        if (streq(source, "kernel"))
                return read_kernel(ret, reterr);
        if (stat(source, &st) < 0)
                return infra_error_set(reterr, -errno, "cannot read %s: %m", source);
        if (!S_ISDIR(st.st_mode))
                return infra_error_set(reterr, -ENOTSUP, "%s is no policy directory", source);
        return read_policy(source, ret_estate, ret, reterr);
}

static json_t *list_json(const struct strlist *l)
{
        json_t *j = json_array();

        for (size_t i = 0; i < l->n; i++)
                json_array_append_new(j, json_string(l->items[i]));
        return j;
}

static void add_address(json_t *j, const char *key, const struct packet *p, enum field v4, enum field v6)
{
        char text[INET6_ADDRSTRLEN];

        if (p->family == AF_INET || p->family == AF_INET6)
                json_object_set_new(j, key, json_string(inet_ntop(p->family, p->fields[p->family == AF_INET ? v4 : v6], text, sizeof(text))));
}

static json_t *packet_json(const struct packet *p)
{
        static const struct {
                const char *key;
                enum field field;
        } numbers[] = { { "protocol", FIELD_L4PROTO }, { "source_port", FIELD_SPORT }, { "destination_port", FIELD_DPORT },
                        { "tcp_flags", FIELD_TCP_FLAGS }, { "mark", FIELD_MARK } };
        static const struct {
                uint64_t bit;
                const char *name;
        } states[] = { { STATE_BIT_NEW, "new" }, { STATE_BIT_ESTABLISHED, "established" }, { STATE_BIT_RELATED, "related" },
                       { STATE_BIT_INVALID, "invalid" }, { STATE_BIT_UNTRACKED, "untracked" } };
        json_t *j = json_pack("{s:s,s:s}", "in", p->fields[FIELD_IIFNAME], "out", p->fields[FIELD_OIFNAME]);

        add_address(j, "source", p, FIELD_IP_SADDR, FIELD_IP6_SADDR);
        add_address(j, "destination", p, FIELD_IP_DADDR, FIELD_IP6_DADDR);
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                json_object_set_new(j, numbers[i].key, json_integer((json_int_t)field_number(numbers[i].field, p->fields[numbers[i].field])));
        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (field_number(FIELD_CT_STATE, p->fields[FIELD_CT_STATE]) == states[i].bit)
                        json_object_set_new(j, "state", json_string(states[i].name));
        return j;
}

static json_t *comparison_json(const struct comparison *c)
{
        static const char *const answers[] = { [ANSWER_EQUAL] = "equal", [ANSWER_DIFFERENT] = "different", [ANSWER_UNKNOWN] = "unknown" };
        static const char *const paths[] = { [PATH_TO_HOST] = "to-host", [PATH_THROUGH] = "through", [PATH_FROM_HOST] = "from-host", [PATH_SWITCHED] = "switched" };
        json_t *differences = json_array();

        for (size_t i = 0; i < c->n_differences; i++) {
                const struct difference *d = &c->differences[i];

                json_array_append_new(differences, json_pack("{s:s,s:s,s:o,s:s,s:s,s:s?}", "path", paths[d->path], "packets", d->packets, "example",
                                                             packet_json(&d->example), "a", d->a_says, "b", d->b_says, "if", d->if_atoms));
        }
        return json_pack("{s:s,s:o,s:o,s:o}", "answer", answers[c->answer], "differences", differences, "reasons", list_json(&c->reasons),
                         "assumed", list_json(&c->assumed));
}

INFRA_PUBLIC int infra_firewall_equal(const char *a, const char *b, unsigned most, char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *first = NULL, *second = NULL;
        _cleanup_comparison_ struct comparison c = {};
        _cleanup_json_ json_t *j = NULL;
        struct ruleset *x = NULL, *y = NULL;
        int r = read_source(a, &first, &x, reterr);

        r = r < 0 ? r : read_source(b, &second, &y, reterr);
        r = r < 0 ? r : ruleset_compare(x, y, most, EQUAL_MEMORY_MAX, &c, reterr);
        if (r >= 0) {
                j = comparison_json(&c);
                *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
                r = *ret_json ? 0 : infra_error_oom(reterr);
        }
        ruleset_free(x);
        ruleset_free(y);
        return r;
}
