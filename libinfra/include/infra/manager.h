/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The manager: one policy directory, one state directory, everything that can be asked of them. infrad puts
 * it on the bus; infractl --local uses it directly. Answers are JSON texts (UTF-8, one object), the same that
 * `infractl --json` prints; durations end in _ms (milliseconds), times in _wall (milliseconds since the
 * epoch), sizes are bytes. Every ret_json is the caller's to free().
 *
 * A manager belongs to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infra/diag.h>
#include <infra/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infra_manager infra_manager;
struct sd_event;

struct infra_paths {
        const char *policy;   /* policy directory; NULL = /etc/infra */
        const char *profiles; /* shipped profiles; NULL = the installed ones */
        const char *state;    /* journal, runs, transcripts; NULL = /var/lib/infra */
};

/** infra_manager_new: opens the journal (making the state directory); the policy is loaded at each request. */
int infra_manager_new(const struct infra_paths *paths, infra_manager **ret, infra_error **reterr);
/** infra_manager_free: takes NULL, returns NULL. A run under way is left as it is, to be taken up later. */
infra_manager *infra_manager_free(infra_manager *m);

/**
 * infra_manager_check: loads the policy. 0; or -EBADMSG with @diags filled.
 */
int infra_manager_check(infra_manager *m, infra_diags *diags, infra_error **reterr);

/**
 * infra_manager_status: {"host","policy":{"directory","digest"},"bridge":bool,
 * "firewall":{"loaded":bool,"differs":bool},"firewall_change":null|STATE without "drift" (see
 * infra_manager_firewall_state()),"storage":{"path","backend","free","total"},
 * "run":null|RUN,"containers":[CONTAINER...],"foreign":[name...]}
 * CONTAINER = {"name","profile","state","managed","configured","running","fence":"open|closed",
 * "release" (of the live root, "" = none),"policy_release","generation" (0 = none),"address","ipv6",
 * "essential","where"}
 * RUN = {"id","kind","subject","state","owner","uid","started_wall","ended_wall" (0 = not yet),"error","digest"}
 */
int infra_manager_status(infra_manager *m, char **ret_json, infra_error **reterr);

/** infra_manager_list: {"containers":[CONTAINER...],"foreign":[name...]} */
int infra_manager_list(infra_manager *m, char **ret_json, infra_error **reterr);

/**
 * infra_manager_show: CONTAINER with "addresses":{"internal","intranet","internet","ipv6"},"after":[name...],
 * "services":[{"port","from":[...],"public_port","probe","where"}],"connects":[{"to","port","where"}],
 * "volumes":[{"path","where"}],"admins":[...],"generations":[{"number","parent","release","state","run",
 * "created_wall","until_wall" (0 = kept for ever)}],"stop_grace_ms". -ENOENT with the nearest name for an unknown one.
 */
int infra_manager_show(infra_manager *m, const char *name, char **ret_json, infra_error **reterr);

/**
 * infra_manager_plan: @kind: apply, upgrade, rehearse, rollback, extract, start, stop, restart. @subject: upgrade or container,
 * "NAME/PATH" for extract, "" for apply. @restore_volumes: only for rollback.
 * {"plan":{"kind","subject","digest","policy","on-failure","jobs","keep_ms","silence_ms","window_start_wall",
 * "window_end_wall" (0 = none),"notes":[...],"steps":[{"number","kind","container",
 * "wave","from","to","release","where","forecast_ms","doing"}]},"forecast_ms",
 * "outages":[{"container","forecast_ms"}],"firewall_diff","price"}; price: only of a rollback, what is left behind by it,
 * as infra_manager_drift() says, without "items"; null when it is not known.
 * -EALREADY when there is nothing to do.
 */
int infra_manager_plan(infra_manager *m, const char *kind, const char *subject, bool restore_volumes,
                       char **ret_json, infra_error **reterr);

/**
 * infra_manager_drift: what a container wrote to its root since that went live and to its volumes since they were put
 * away then: {"container","generation","release","root":{"path","files","bytes","newest_wall","items":[{"path",
 * "kind":"added|modified|removed","bytes","changed_wall","as":"carry|ignore|conflict" or "" (carried unless an upgrade
 * changes it too)}]},"volumes":[{"path","files","bytes","newest_wall"}],"proposals":[{"path","files","bytes",
 * "newest_wall"}]}; proposals: directories that should be volumes. -ENODATA when nobody remembers that moment.
 */
int infra_manager_drift(infra_manager *m, const char *name, char **ret_json, infra_error **reterr);

/** infra_manager_runs: {"runs":[RUN...]} newest first; @limit 0 = all. */
int infra_manager_runs(infra_manager *m, unsigned limit, char **ret_json, infra_error **reterr);

/**
 * infra_manager_report: {"run":RUN,"forecast_ms","elapsed_ms","containers":[{"name","result":"pending|running|
 * committed|done|rolled-back|left-out|failed|stuck","error","outage_ms" (-1 = still closed, 0 = none),
 * "outage_forecast_ms","services":[{"port","baseline","after","outage_ms"}],"prepared":{"hops":[release...],
 * "removed":[package...],"conffiles":[{"path","use":"keep|new|merged"}],"failed_units":[...],"ready_ms","carried",
 * "conflicts"} (of a shadow upgrade, what is known),"steps":[{"number","kind","doing",
 * "state","attempts","duration_ms","forecast_ms","error","transcript" (path or "")}]}],
 * "steps":[host steps],"events":[{"wall","container","text"}]}
 */
int infra_manager_report(infra_manager *m, int64_t run, char **ret_json, infra_error **reterr);

/**
 * infra_manager_firewall: @what: "kernel" (our table as loaded) or "policy" (as wanted): {"text"} in nft's
 * language; "diff": {"diff"}, "" = no difference.
 */
int infra_manager_firewall(infra_manager *m, const char *what, char **ret_json, infra_error **reterr);

/** A change of the firewall alone, without a run. */
struct infra_firewall_change {
        const char *what;   /* "apply", "restore", "confirm", "revert" */
        unsigned number;    /* restore: the generation */
        int64_t confirm_ms; /* apply, restore: until it must be confirmed, 1 s to 1 h; 0 = it stays */
        const char *shown;  /* apply: the difference that was shown; NULL or "" = not compared */
        uint32_t uid;       /* who asks */
        int32_t pid;        /* confirm: the process that asks */
};
/**
 * infra_manager_firewall_change: answers with STATE. apply and restore load a ruleset that goes back by itself, whatever
 * becomes of this process, unless it is confirmed in time: -EBUSY while another one waits or a run is under way,
 * -EALREADY when the kernel has it, -ESTALE when @shown is no longer the difference. confirm: -EPERM unless @pid came
 * over an ssh connection that began after the load, or sits at a console; -ETIME when it is too late. revert:
 * goes back at once. Both: -ENOENT when nothing waits. Since: 0.1
 */
int infra_manager_firewall_change(infra_manager *m, const struct infra_firewall_change *change, char **ret_json, infra_error **reterr);

/**
 * infra_manager_firewall_state: @what: "status": STATE = {"confirmed","active" (generations, 0 = none),"loaded":bool,
 * "rescued":bool (it is the rescue ruleset that is loaded, since the active one could not be),
 * "drifted":bool (the kernel's ruleset is not the active generation; what is filled in at run time does not count),
 * "drifted_by" (the process that made it so, when infra_manager_firewall_watch() saw it; else ""),
 * "drift" (lines),"pending":null|{"number","previous" (0 = no ruleset),"left_ms","until_wall","uid","watched":bool},
 * "last":null|{"number","outcome":"confirmed|kept|went back","why","wall"}}. "generations": {"generations":[{"number",
 * "state":"confirmed|pending|kept","wall","uid","policy" (digest),"origin":"apply|run|found","sha256","error" ("" = it can be
 * loaded)}]}, newest first. What nobody confirmed in time goes back before the answer, when that is still to be done.
 */
int infra_manager_firewall_state(infra_manager *m, const char *what, char **ret_json, infra_error **reterr);

/**
 * infra_manager_firewall_settle: puts back what nobody confirmed in time, when the process that should have done it is
 * gone or the host was rebooted: {"lines":[what was done]}.
 */
int infra_manager_firewall_settle(infra_manager *m, char **ret_json, infra_error **reterr);

/**
 * infra_manager_firewall_watch: from now on @drifted is called on @event with STATE when the kernel's ruleset begins to
 * differ from the active generation, and when it does no longer. Ends with the manager.
 */
int infra_manager_firewall_watch(infra_manager *m, struct sd_event *event, void (*drifted)(void *userdata, const char *json),
                                 void *userdata, infra_error **reterr);

/**
 * infra_firewall_boot: loads the generation that was confirmed last, needing nothing but @state_dir (NULL =
 * /var/lib/infra): 0; else a rescue ruleset that lets ssh in: 1. @ret_text says what was loaded, and why.
 */
int infra_firewall_boot(const char *state_dir, char **ret_text, infra_error **reterr);

/**
 * infra_manager_ban: drops everything that comes from an address or network, by the interface of @zone (NULL or "": by
 * every one), for @for_ms milliseconds (0 = until it is lifted or the host reboots). Narrower bans become part of it. The
 * answer is that of infra_manager_bans(). -EALREADY when a wider ban holds, -EEXIST when one holds in part, -EINVAL for what
 * is this host itself. Kept in the kernel only; loads of the firewall keep it. Needs no lock.
 */
int infra_manager_ban(infra_manager *m, const char *address, const char *zone, int64_t for_ms, char **ret_json,
                      infra_error **reterr);
/** infra_manager_unban: lifts that ban and every one within it. -ENOENT when there is none. */
int infra_manager_unban(infra_manager *m, const char *address, const char *zone, char **ret_json, infra_error **reterr);
/** infra_manager_bans: {"bans":[{"address","interface","zone" ("" = every one),"left_ms" (0 = no end)}]} */
int infra_manager_bans(infra_manager *m, char **ret_json, infra_error **reterr);

/**
 * infra_manager_lock: becomes the one writer, until the manager is freed. -EBUSY says who is.
 */
int infra_manager_lock(infra_manager *m, const char *who, infra_error **reterr);

/**
 * infra_manager_begin: plans anew, compares the digest with @digest (NULL or "" = not compared; -ESTALE when
 * the plan changed since it was shown), journals the run and starts it on @event. @control: "pause-before-cut-over",
 * or NULL or "". -EBUSY while another run is under way. Needs the lock.
 */
int infra_manager_begin(infra_manager *m, struct sd_event *event, const char *kind, const char *subject,
                        bool restore_volumes, const char *digest, const char *control, uint32_t uid, int64_t *ret_run,
                        infra_error **reterr);

/**
 * infra_manager_control: what a person says to the run under way in this process. @what: "pause" (nothing more is
 * begun; a container behind its closed fence comes to its end), "pause-before-cut-over", "go" (after a pause),
 * "abort" (what is not committed turns back, losing nothing). Journaled with @uid before it takes effect. -ENOENT
 * when no run is under way, -EALREADY when it is being aborted.
 */
int infra_manager_control(infra_manager *m, const char *what, uint32_t uid, int64_t *ret_run, infra_error **reterr);

/**
 * infra_manager_expire: deletes what runs put out of use and what was kept for long enough, and warns a day before:
 * {"lines":[what was done, or will be]}. Nothing while a run is under way. Needs the lock.
 */
int infra_manager_expire(infra_manager *m, char **ret_json, infra_error **reterr);

/**
 * infra_manager_recover: takes up the run that a crash or reboot left unfinished: it goes on or turns back.
 * *ret_run = 0 when there is none. Needs the lock.
 */
int infra_manager_recover(infra_manager *m, struct sd_event *event, int64_t *ret_run, infra_error **reterr);

/** infra_manager_busy: the run under way in this process, or 0. */
int64_t infra_manager_busy(const infra_manager *m);

/**
 * infra_manager_set_listener: @changed is called after each durable change of a run under way with
 * {"run","state","container" (or null),"step","number","of","step_state","elapsed_ms","forecast_ms","text",
 * "interrupted"}; state is "running" until the last call, or "paused": for a person, or "interrupted".
 */
void infra_manager_set_listener(infra_manager *m, void (*changed)(void *userdata, int64_t run, const char *json),
                                void *userdata);

/**
 * infra_manager_shell: a command (@argv NULL-terminated; NULL = a login shell) in a running container on the
 * caller's terminal or pipes; @ret_status: its exit code, 128 + signal.
 */
int infra_manager_shell(infra_manager *m, const char *name, const char *const *argv, int *ret_status,
                        infra_error **reterr);
/** infra_manager_console: the container's console on the caller's terminal; left with Ctrl-a q. */
int infra_manager_console(infra_manager *m, const char *name, infra_error **reterr);

#ifdef __cplusplus
}
#endif
