/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The firewall room by hand, for tests in network namespaces: load, show and fence without daemon or containers. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "firewall/firewall.h"

static int usage(void)
{
        fputs("usage: firewall-tool load|text|kernel|diff|unload POLICY PROFILES\n"
              "       firewall-tool fence POLICY PROFILES CONTAINER closed|open|state\n", stderr);
        return 2;
}

static int show(char *text)
{
        if (text)
                fputs(text, stdout);
        free(text);
        return 0;
}

static int fence(struct firewall *f, const infra_estate *e, char **argv, infra_error **error)
{
        const struct container *c = estate_container(e, argv[4]);
        bool closed = false;
        int r;

        if (!c)
                return usage();
        if (!streq(argv[5], "state"))
                return firewall_fence(f, c, streq(argv[5], "closed"), error);
        r = firewall_fence_closed(f, c, &closed, error);
        if (r >= 0)
                puts(closed ? "closed" : "open");
        return r;
}

static int act(struct firewall *f, const infra_estate *e, int argc, char **argv, infra_error **error)
{
        struct ruleset *want = NULL, *have = NULL;
        char *text = NULL;
        int r = firewall_compile(e, &want, error);

        if (r >= 0)
                r = firewall_read(f, &have, error);
        if (r < 0)
                return r;
        if (streq(argv[1], "load"))
                r = firewall_load(f, want, error);
        else if (streq(argv[1], "unload"))
                r = firewall_unload(f, error);
        else if (streq(argv[1], "text"))
                r = ruleset_text(want, &text, error);
        else if (streq(argv[1], "kernel"))
                r = have ? ruleset_text(have, &text, error) : 0;
        else if (streq(argv[1], "diff"))
                r = ruleset_diff(have, want, &text, error);
        else if (streq(argv[1], "fence") && argc == 6)
                r = fence(f, e, argv, error);
        else
                r = usage();
        show(text);
        ruleset_free(want);
        ruleset_free(have);
        return r;
}

int main(int argc, char **argv)
{
        infra_diags *diags = infra_diags_new();
        struct firewall *f = NULL;
        infra_estate *e = NULL;
        infra_error *error = NULL;
        int r;

        if (argc < 4)
                return usage();
        r = infra_estate_load(argv[2], argv[3], diags, &e, &error);
        infra_diags_print(diags, stderr);
        if (r >= 0)
                r = firewall_open(&f, &error);
        if (r >= 0)
                r = act(f, e, argc, argv, &error);
        if (error)
                fprintf(stderr, "%s\n", infra_error_message(error));
        infra_error_free(error);
        firewall_free(f);
        infra_estate_free(e);
        infra_diags_free(diags);
        return r < 0 ? 1 : r;
}
