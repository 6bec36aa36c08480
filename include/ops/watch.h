/*
 * auto_reload: the files of the configuration are watched, and a change is a
 * reload.
 *
 * What is watched are the directories, with inotify: an editor replaces a
 * file, and Kubernetes changes a mounted ConfigMap or Secret by swapping the
 * link "..data".  After an event the files themselves are looked at, through
 * all links; only when one of them is another one, or has changed, everything
 * is read again, to be taken over or refused as a whole.  Main thread.
 */

#ifndef OPS_WATCH_H
#define OPS_WATCH_H

struct config;
struct loop;

void	watch_start(struct loop *, const struct config *);
/* This configuration is in force now: its files are watched from now on. */
void	watch_follow(const struct config *);

#endif
