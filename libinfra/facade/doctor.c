/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What beside our ruleset decides about packets: other people's chains, services that would load rules at boot, and switches
 * of the kernel. Nothing is changed; each finding says how to look at it and how to mend it.
 */

#include <infra/firewall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "firewall/foreign.h"

static const struct maker {
        const char *word; /* in the name of the table or of one of its chains */
        const char *by;
        const char *mend; /* how its rules go away */
} makers[] = {
        { "DOCKER", "docker", "\"iptables\": false in /etc/docker/daemon.json, or iptables -I DOCKER-USER -j ACCEPT" },
        { "docker", "docker", "\"iptables\": false in /etc/docker/daemon.json, or iptables -I DOCKER-USER -j ACCEPT" },
        { "LIBVIRT", "libvirt", "virsh net-destroy NETWORK" },
        { "libvirt", "libvirt", "virsh net-destroy NETWORK" },
        { "ufw", "ufw", "ufw disable" },
        { "firewalld", "firewalld", "systemctl disable --now firewalld" },
        { "f2b", "fail2ban", "systemctl disable --now fail2ban" },
        { "KUBE", "kubernetes", NULL },
        { "CNI", "containers' network plugins", NULL },
        { "lxc", "lxc-net", "USE_LXC_BRIDGE=false in /etc/default/lxc-net, and systemctl restart lxc-net" },
        { "netavark", "podman", NULL },
        { "crowdsec", "crowdsec", NULL },
};

/* A word at the beginning of any chain of the table, or in its name, gives its maker away. */
static struct maker maker(const struct foreign *f, const struct foreign_chain *c)
{
        for (size_t m = 0; m < ELEMENTS(makers); m++) {
                if (strstr(c->table, makers[m].word))
                        return makers[m];
                for (size_t i = 0; i < f->n_chains; i++)
                        if (f->chains[i].family == c->family && streq(f->chains[i].table, c->table) && startswith(f->chains[i].name, makers[m].word))
                                return makers[m];
        }
        if ((c->family == NFPROTO_IPV4 || c->family == NFPROTO_IPV6) &&
            (streq(c->table, "filter") || streq(c->table, "nat") || streq(c->table, "mangle") || streq(c->table, "raw") || streq(c->table, "security")))
                return (struct maker){ .by = "iptables (nft variant)" };
        return (struct maker){ .by = "somebody" };
}

static void add(json_t *findings, const char *severity, const char *subject, const char *by, char *text, char *look, char *mend)
{
        json_array_append_new(findings, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "severity", severity, "subject", subject, "by", by, "text",
                                                  text ? text : "", "look", look ? look : "", "mend", mend ? mend : ""));
        free(text);
        free(look);
        free(mend);
}

static void check_chain(json_t *findings, const struct foreign *f, const struct foreign_chain *c)
{
        _cleanup_free_ char *subject = path_join("table %s %s chain %s", foreign_family(c->family), c->table, c->name);
        struct maker m = maker(f, c);
        const char *severity = c->drops ? "error" : "warning";
        bool nat = c->type && streq(c->type, "nat"), first = nat && c->priority <= (c->hook == NF_INET_POST_ROUTING ? 100 : -100);
        char *look = path_join("nft list table %s %s", foreign_family(c->family), c->table);
        char *mend = m.mend ? path_join("%s; otherwise it must accept what ours accepts", m.mend) :
                              path_join("if nobody needs it: nft delete table %s %s; otherwise it must accept what ours accepts",
                                        foreign_family(c->family), c->table);

        if (!c->type || !subject || (!c->drops && !c->refuses && !(nat && c->translates))) {
                free(look);
                free(mend);
                return;
        }
        if (nat && c->translates)
                add(findings, "warning", subject, m.by,
                    path_join("translates addresses at %s%s, and a packet is translated once: what it takes, our rules do not", foreign_hook(c),
                              first ? " before or beside ours" : ""),
                    look, mend);
        else
                add(findings, severity, subject, m.by,
                    path_join("%s at %s (priority %d), which is final whatever our table says", c->drops ? "drops what its rules do not accept" : "may refuse packets",
                              foreign_hook(c), c->priority),
                    look, mend);
}

static void check_legacy(json_t *findings, const struct xtables_table *t)
{
        const char *tool = t->family == NFPROTO_IPV6 ? "ip6tables-legacy" : "iptables-legacy";
        _cleanup_free_ char *subject = path_join("%s table %s", tool, t->name);
        bool bad = t->drops || t->refuses || t->translates;

        add(findings, t->drops ? "error" : bad ? "warning" : "note", subject ? subject : "", "iptables (legacy)",
            path_join("is loaded beside nftables, and %s", t->drops ? "drops what its rules do not accept, which is final whatever our table says" :
                                                           t->refuses ? "may refuse packets, which is final whatever our table says" :
                                                           t->translates ? "translates addresses, and a packet is translated once" :
                                                                           "decides about nothing"),
            path_join("%s-save -t %s", tool, t->name), path_join("%s -t %s -F, and remove what loads it", tool, t->name));
}

/* Whether systemd or an old init script starts it. */
static bool is_enabled(const char *root, const char *service)
{
        static const char *const targets[] = { "multi-user.target", "sysinit.target", "basic.target", "network-pre.target", "network.target" };
        static const char *const levels[] = { "rcS.d", "rc2.d", "rc3.d" };

        for (size_t i = 0; i < ELEMENTS(targets); i++) {
                _cleanup_free_ char *path = path_join("%s/etc/systemd/system/%s.wants/%s.service", root, targets[i], service);
                struct stat st;

                if (path && lstat(path, &st) == 0)
                        return true;
        }
        for (size_t i = 0; i < ELEMENTS(levels); i++) {
                _cleanup_free_ char *path = path_join("%s/etc/%s", root, levels[i]);
                DIR *d = path ? opendir(path) : NULL;
                bool found = false;

                for (struct dirent *e; d && !found && (e = readdir(d));)
                        found = e->d_name[0] == 'S' && strlen(e->d_name) > 3 && streq(e->d_name + 3, service);
                if (d)
                        closedir(d);
                if (found)
                        return true;
        }
        return false;
}

/* Whether it says no in its own file of settings ("ENABLED=no"): then its unit does nothing. The last line counts. */
static bool is_switched_off(const char *root, const char *file, const char *key)
{
        enum { FILE_MAX = 64 << 10 };
        _cleanup_free_ char *path = path_join("%s%s", root, file), *text = NULL;
        bool off = false;

        if (!path || file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0)
                return false;
        for (char *p = text, *line; (line = strsep(&p, "\n"));) {
                const char *value = line + strspn(line, " \t");

                if (!startswith(value, key) || value[strlen(key)] != '=')
                        continue;
                value += strlen(key) + 1;
                value += strspn(value, "\"'");
                off = startswith(value, "no") || startswith(value, "false");
        }
        return off;
}

static bool flushes(const char *root)
{
        enum { FILE_MAX = 1 << 20 };
        _cleanup_free_ char *path = path_join("%s/etc/nftables.conf", root), *text = NULL;

        return path && file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) >= 0 && strstr(text, "flush ruleset");
}

static void check_boot(json_t *findings, const char *root)
{
        static const struct {
                const char *service, *severity, *text, *file, *key;
        } services[] = {
                { "ferm", "error", "loads its own rules at boot and on every restart", "/etc/default/ferm", "ENABLED" },
                { "nftables", "error", "loads its own rules at boot and on every restart", NULL, NULL },
                { "netfilter-persistent", "error", "loads saved rules of iptables at boot", NULL, NULL },
                { "ufw", "error", "loads its own rules at boot", "/etc/ufw/ufw.conf", "ENABLED" },
                { "firewalld", "error", "loads its own rules at boot", NULL, NULL },
                { "docker", "warning", "adds rules of its own and sets the policy of FORWARD to drop", NULL, NULL },
                { "lxc-net", "note", "adds a bridge with its own masquerading", "/etc/default/lxc-net", "USE_LXC_BRIDGE" },
                { "fail2ban", "note", "adds bans of its own; `infractl firewall ban` does the same in our table", NULL, NULL },
        };

        for (size_t i = 0; i < ELEMENTS(services); i++) {
                _cleanup_free_ char *subject = path_join("%s.service", services[i].service);
                const char *text = services[i].text;

                if (!is_enabled(root, services[i].service) || (services[i].file && is_switched_off(root, services[i].file, services[i].key)))
                        continue;
                if (streq(services[i].service, "nftables") && flushes(root))
                        text = "says `flush ruleset`: ours is loaded after it at boot, but each restart and reload of it takes ours away";
                add(findings, services[i].severity, subject ? subject : "", services[i].service, strdup(text),
                    path_join("systemctl status %s", services[i].service), path_join("systemctl disable --now %s", services[i].service));
        }
        if (!is_enabled(root, "infra-firewall"))
                add(findings, "warning", "infra-firewall.service", "", strdup("is not enabled: a boot leaves the host without our ruleset"),
                    strdup("systemctl status infra-firewall"), strdup("systemctl enable infra-firewall"));
}

static long long number_in(const char *path)
{
        enum { FILE_MAX = 64 };
        _cleanup_free_ char *text = NULL;

        return file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0 ? -1 : atoll(text);
}

static void check_kernel(json_t *findings)
{
        static const struct {
                const char *path, *key;
                long long good;
                const char *severity, *text;
        } switches[] = {
                { "/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward", 1, "error", "is 0: nothing is forwarded to containers" },
                { "/proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding", 1, "warning", "is 0: no IPv6 is forwarded to containers" },
                { "/proc/sys/net/bridge/bridge-nf-call-iptables", "net.bridge.bridge-nf-call-iptables", 0, "note",
                  "is 1: what the bridge switches passes both of our tables" },
        };
        long long count = number_in("/proc/sys/net/netfilter/nf_conntrack_count"), max = number_in("/proc/sys/net/netfilter/nf_conntrack_max");

        for (size_t i = 0; i < ELEMENTS(switches); i++) {
                long long value = number_in(switches[i].path);

                if (value >= 0 && value != switches[i].good)
                        add(findings, switches[i].severity, switches[i].key, "", strdup(switches[i].text), path_join("sysctl %s", switches[i].key),
                            path_join("sysctl -w %s=%lld, and the same in /etc/sysctl.d", switches[i].key, switches[i].good));
        }
        if (max > 0 && count > max - max / 5)
                add(findings, count > max - max / 20 ? "error" : "warning", "connection tracking", "",
                    path_join("%lld of %lld connections: when it is full, new ones are dropped", count, max), strdup("conntrack -S"),
                    strdup("sysctl -w net.netfilter.nf_conntrack_max=..."));
}

static void check_ours(json_t *findings, const struct foreign *f)
{
        if (!f->ours)
                add(findings, "error", "table inet infra", "", strdup("is not loaded"), strdup("infractl firewall diff"), strdup("infractl apply"));
        else if (f->dormant)
                add(findings, "error", "table inet infra", "", strdup("is switched off (dormant)"), strdup("nft list table inet infra"), strdup("infractl apply"));
}

INFRA_PUBLIC int infra_firewall_doctor(const char *root, char **ret_json, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        _cleanup_foreign_ struct foreign foreign = {};
        _cleanup_json_ json_t *j = NULL;
        json_t *findings;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = foreign_read(f, &foreign, reterr);
        if (r < 0)
                return r;
        findings = json_array();
        check_ours(findings, &foreign);
        for (size_t i = 0; i < foreign.n_chains; i++)
                check_chain(findings, &foreign, &foreign.chains[i]);
        for (size_t i = 0; i < foreign.n_legacy; i++)
                check_legacy(findings, &foreign.legacy[i]);
        check_boot(findings, root ? root : "");
        check_kernel(findings);
        j = json_pack("{s:o}", "findings", findings);
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}
