/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The candidate: cloned from the serving original, upgraded aside, thrown away again when it did not go live.
 *
 * It is upgraded in a sealed process (engine/sealed.h) as a ghost without init: no service can start, and the only
 * way out is the depot, which fetches packages from the mirror for all candidates. Nothing is synced file by file;
 * so what a crash or a power cut leaves of it is thrown away and cloned anew, and when it is whole the filesystem is
 * synced once.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "container/container.h"
#include "engine/guest.h"
#include "engine/sealed.h"
#include "package/depot.h"

enum { UPGRADE_LIMIT_MS = 170 * 60 * 1000 };

static void shadow_tag(const struct work *w, char ret[static 32])
{
        snprintf(ret, 32, "clone-%u", w->step->to);
}

static int shadow_make(struct work *w, infra_error **reterr)
{
        char run[32], tag[32];
        int r = work_storage(w, reterr);

        run_tag(w->run, run);
        shadow_tag(w, tag);
        return r < 0 ? r : storage_generation_shadow(w->storage, w->container->name, w->step->from, w->step->to, run, tag, reterr);
}

/* What a killed worker left; its sealed processes may take a moment to let go of it. */
static int scratch_drop(struct work *w, infra_error **reterr)
{
        enum { TRIES = 50, PAUSE_MS = 100 };
        _cleanup_free_ char *ghost = path_join("%s/ghosts/%s", w->state_dir, w->container->name);
        int r = ghost ? -EBUSY : infra_error_oom(reterr);

        for (unsigned i = 0; ghost && r == -EBUSY && i < TRIES; i++) {
                _cleanup_error_ infra_error *error = NULL;

                if (i > 0)
                        clock_sleep_ms(PAUSE_MS);
                r = storage_scratch_drop(w->storage, w->container->name, &error);
                if (r < 0 && (r != -EBUSY || i + 1 == TRIES))
                        infra_error_set(reterr, r, "%s", infra_error_message(error));
        }
        return r < 0 ? r : tree_remove(AT_FDCWD, ghost);
}

/* The candidate and the base it was cloned at. One that went live and came back is evidence and stays. */
static int shadow_drop(struct work *w, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        const struct generation *g;
        char tag[32];
        int r = work_generations(w, &all, reterr);

        if (r < 0)
                return r;
        g = generations_find(&all, w->step->to);
        if (g && g->state == GENERATION_CANDIDATE)
                r = storage_generation_delete(w->storage, w->container->name, w->step->to, reterr);
        shadow_tag(w, tag);
        if (r >= 0)
                r = scratch_drop(w, reterr);
        return r < 0 ? r : storage_base_delete(w->storage, w->container->name, tag, reterr);
}

int shadow_clone_act(struct work *w, infra_error **reterr)
{
        int r = work_require_space(w, reterr);

        return r < 0 ? r : shadow_make(w, reterr);
}

int shadow_clone_undo(struct work *w, infra_error **reterr)
{
        return shadow_drop(w, reterr);
}

int shadow_discard_act(struct work *w, infra_error **reterr)
{
        return shadow_drop(w, reterr);
}

/* Where a generation's root is, seen from the host; allocated. */
static int root_of(struct work *w, unsigned number, char **ret, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        const struct generation *g;
        int r = work_generations(w, &all, reterr);

        if (r < 0)
                return r;
        g = generations_find(&all, number);
        if (!g)
                return infra_error_set(reterr, -ENOENT, "%s has no generation %u", w->container->name, number);
        *ret = path_join("%s/rootfs", g->path);
        return *ret ? 0 : infra_error_oom(reterr);
}

/* Throw-away copies of the volumes: what package scripts or services look at there is what the original has. */
static int shadow_volumes(struct seal *s, struct strlist *ret, infra_error **reterr)
{
        const struct container *c = s->work->container;
        int r = work_storage(&s->ghost, reterr);

        for (size_t i = 0; r >= 0 && i < c->n_volumes; i++) {
                _cleanup_free_ char *path = NULL;

                if (work_has_volume(&s->ghost, i))
                        r = storage_scratch_volume(s->ghost.storage, c->name, c->volumes[i].path, s->work->step->number, &path, reterr);
                if (r >= 0 && strlist_add(ret, path ? path : "") < 0)
                        r = infra_error_oom(reterr);
        }
        return r;
}

int shadow_configure(struct seal *s, enum ghost kind, const char *rootfs, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist paths = {};
        _cleanup_free_ char **volumes = NULL;
        int r = shadow_volumes(s, &paths, reterr);

        if (r < 0)
                return r;
        volumes = strlist_argv(&paths);
        if (!volumes)
                return infra_error_oom(reterr);
        return container_configure_ghost(&s->estate, s->work->container, kind, rootfs, (const char *const *)volumes, reterr);
}

/* What apt talks to: the gateway's address in the sealed network, served from the host's. */
struct tap {
        struct seal *seal;
        struct depot *depot;
        int listener;
        char proxy[64];
};

static int tap_listen(struct tap *t, infra_error **reterr)
{
        const struct host *h = &t->seal->estate.host;
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t length = sizeof(address);
        char text[ADDRESS_TEXT_MAX];

        memcpy(&address.sin_addr, h->bridge_ipv4.bytes, sizeof(address.sin_addr));
        t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (t->listener < 0 || bind(t->listener, (struct sockaddr *)&address, length) < 0 || listen(t->listener, SOMAXCONN) < 0 ||
            getsockname(t->listener, (struct sockaddr *)&address, &length) < 0)
                return infra_error_set(reterr, -errno, "cannot listen in the sealed network: %m");
        snprintf(t->proxy, sizeof(t->proxy), "http://%s:%u", address_format_host(&h->bridge_ipv4, text), ntohs(address.sin_port));
        return 0;
}

static int tap_open(void *userdata, infra_error **reterr)
{
        struct tap *t = userdata;
        const struct host *h = &t->seal->estate.host;
        _cleanup_free_ char *directory = path_join("%s/cache/packages", h->storage_path);
        _cleanup_free_ const char **origins = calloc(h->n_third_party + 3, sizeof(char *));
        struct depot_options options = { .directory = directory, .proxy = h->proxy, .origins = origins };
        size_t n = 0;

        if (!directory || !origins)
                return infra_error_oom(reterr);
        origins[n++] = h->mirror;
        if (h->security_mirror && *h->security_mirror)
                origins[n++] = h->security_mirror;
        for (size_t i = 0; i < h->n_third_party; i++)
                origins[n++] = h->third_party[i].to ? h->third_party[i].to : h->third_party[i].uri;
        return depot_start(t->listener, &options, &t->depot, reterr);
}

static void tap_done(struct tap *t)
{
        t->depot = depot_free(t->depot);
        closep(&t->listener);
}

/* Release by release: Debian does not skip any. */
static int hops(struct seal *s, const struct guest *guest, const char *proxy, const char *from, json_t *result, infra_error **reterr)
{
        const struct host *h = &s->estate.host;
        const char *to = s->work->step->release, *hop = from;
        json_t *list = json_array();

        json_object_set_new(result, "hops", list);
        while (!streq(hop, to)) {
                struct package_sources sources;
                int r;

                hop = release_next(hop);
                if (!hop)
                        return infra_error_set(reterr, -EINVAL, "there is no way from %s to %s", from, to);
                sources = sources_of(h, hop);
                sources.proxy = proxy;
                work_say(s->work, "%s: to %s", s->work->container->name, hop);
                r = package_switch(guest, &sources, reterr);
                if (r >= 0)
                        r = package_upgrade(guest, proxy, s->work->transcript, UPGRADE_LIMIT_MS, reterr);
                if (r < 0)
                        return r;
                json_array_append_new(list, json_string(hop));
        }
        return 0;
}

static int settle_conffiles(struct seal *s, const struct guest *guest, const struct strlist *before, json_t *result, infra_error **reterr)
{
        const struct container *c = s->work->container;
        _cleanup_strlist_ struct strlist after = {};
        json_t *list = json_array();
        int r = package_conffiles(guest, &after, reterr);

        json_object_set_new(result, "conffiles", list);
        for (size_t i = 0; r >= 0 && i < after.n; i++) {
                const char *dist = after.items[i], *dot = strrchr(dist, '.'), *use = "keep";
                _cleanup_free_ char *path = strndup(dist, (size_t)(dot - dist));

                if (!path)
                        return infra_error_oom(reterr);
                for (size_t k = 0; k < c->n_conffiles; k++)
                        if (streq(c->conffiles[k].path, path))
                                use = c->conffiles[k].text ? "merged" : c->conffiles[k].use == CONFFILE_NEW ? "new" : "keep";
                if (!strlist_contains(before, dist))
                        json_array_append_new(list, json_pack("{s:s,s:s}", "path", path, "use", use));
        }
        for (size_t k = 0; r >= 0 && k < c->n_conffiles; k++)
                r = package_conffile_settle(guest, c->conffiles[k].path, c->conffiles[k].text ? "merged" : c->conffiles[k].use == CONFFILE_NEW ? "new" : "keep",
                                            c->conffiles[k].text, reterr);
        return r;
}

static int names_of(const json_t *list, struct strlist *ret, infra_error **reterr)
{
        const json_t *name;
        size_t i;

        json_array_foreach(list, i, name)
                if (json_is_string(name) && !strlist_contains(ret, json_string_value(name)) &&
                    strlist_add(ret, json_string_value(name)) < 0)
                        return infra_error_oom(reterr);
        return 0;
}

/* Packages that serve, and those the policy names, must still be there; what else went is listed. */
static int judge(struct seal *s, const struct guest *guest, const struct strlist *installed, json_t *result, infra_error **reterr)
{
        _cleanup_package_state_ struct package_state state = {};
        _cleanup_strlist_ struct strlist keep = {};
        json_t *removed = json_array();
        int r = strlist_copy(&keep, &s->work->container->keep) < 0 ? infra_error_oom(reterr) : 0;

        json_object_set_new(result, "removed", removed);
        if (r >= 0)
                r = names_of(json_object_get(s->work->baseline, "keep"), &keep, reterr);
        if (r >= 0)
                r = package_observe(guest, &keep, &state, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < installed->n; i++) {
                if (strlist_contains(&state.installed, installed->items[i]))
                        continue;
                json_array_append_new(removed, json_string(installed->items[i]));
                work_say(s->work, "removed: %s", installed->items[i]);
        }
        return package_check(&state, s->work->step->release, reterr);
}

static int upgrade_ghost(struct seal *s, const char *rootfs, const char *proxy, json_t *result, infra_error **reterr)
{
        static const char *const clean[] = { "apt-get", "clean", NULL };
        _cleanup_package_state_ struct package_state before = {};
        _cleanup_strlist_ struct strlist conffiles = {};
        struct guest guest = guest_of(&s->ghost);
        int status, r;

        guest.rootfs = rootfs;
        r = package_observe(&guest, NULL, &before, reterr);
        if (r >= 0)
                r = package_conffiles(&guest, &conffiles, reterr);
        if (r >= 0)
                r = package_services_forbid(&guest, true, reterr);
        if (r >= 0)
                r = hops(s, &guest, proxy, before.release, result, reterr);
        if (r >= 0)
                r = settle_conffiles(s, &guest, &conffiles, result, reterr);
        if (r >= 0)
                r = judge(s, &guest, &before.installed, result, reterr);
        if (r >= 0)
                guest.run(guest.userdata, clean, NULL, s->work->transcript, NULL, UPGRADE_LIMIT_MS, &status, NULL);
        return r < 0 ? r : package_services_forbid(&guest, false, reterr);
}

static int prepare_sealed(struct seal *s, json_t **ret, infra_error **reterr)
{
        CLEANUP(tap_done) struct tap tap = { .seal = s, .listener = -1 };
        _cleanup_json_ json_t *result = json_object();
        _cleanup_free_ char *rootfs = NULL;
        struct depot_counts counts = {};
        int r = root_of(&s->ghost, s->work->step->to, &rootfs, reterr);

        if (r >= 0)
                r = tap_listen(&tap, reterr);
        if (r >= 0)
                r = sealed_outside(s, tap_open, &tap, reterr);
        if (r >= 0)
                r = shadow_configure(s, GHOST_IDLE, rootfs, reterr);
        if (r >= 0)
                r = container_start(s->estate.host.lxc_path, s->work->container->name, reterr);
        if (r >= 0)
                r = upgrade_ghost(s, rootfs, tap.proxy, result, reterr);
        ghost_end(s, NULL);
        if (r < 0)
                return r;
        depot_counts(tap.depot, &counts);
        json_object_set_new(result, "fetched", json_integer((json_int_t)counts.fetched));
        json_object_set_new(result, "fetched_bytes", json_integer((json_int_t)counts.fetched_bytes));
        json_object_set_new(result, "served", json_integer((json_int_t)counts.served));
        *ret = TAKE_PTR(result);
        return 0;
}

int shadow_prepare_act(struct work *w, infra_error **reterr)
{
        _cleanup_json_ json_t *result = NULL;
        int r = 0;

        /* Never synced, so nobody knows what is in it. */
        if (w->attempt > 1)
                r = shadow_drop(w, reterr);
        if (r >= 0)
                r = shadow_make(w, reterr);
        if (r >= 0)
                r = sealed_run(w, prepare_sealed, UPGRADE_LIMIT_MS, &result, reterr);
        if (w->storage)
                storage_scratch_drop(w->storage, w->container->name, NULL);
        if (r < 0)
                return r;
        json_object_update(w->result, result);
        r = storage_generation_sync(w->storage, w->container->name, w->step->to, reterr);
        return r < 0 ? r : storage_generation_mark(w->storage, w->container->name, w->step->to, w->step->release, GENERATION_STATE_MAX, reterr);
}
