/* A scriptable stand-in for NVIDIA's libnvidia-ml.so.1, for tests only.
 *
 * nvidia-ml-py does ctypes.CDLL("libnvidia-ml.so.1"), so with this library's folder in
 * LD_LIBRARY_PATH and a config in FAKE_NVML an unmodified program finds the GPUs of the config:
 * one directive a line, read again whenever the file changes.
 *
 *   epoch <CLOCK_MONOTONIC seconds>    origin of all times below (default: load of the library)
 *   init_error <nvmlReturn>            nvmlInit fails (9: driver not loaded)
 *   count_error <nvmlReturn>           nvmlDeviceGetCount fails
 *   gpu key=value ...                  one GPU, in index order; keys:
 *     uuid= name=                      underscores in the name become spaces
 *     profile=0:60,1:300,3:60          watts from each second on
 *     e0_mj= update_ms= frozen=1       energy counter: start, tick, never moves
 *     avg_ms=                          PowerUsage is the mean over this window; 0: instantaneous
 *     arch= limit_w= mem_mb= mig=1     9 = Hopper; power limit; memory; MIG on
 *     energy=0 power=0                 the query is Not Supported
 *     fields=0                         there are no power fields 185 and 186
 *     scope=gpu|module                 which scope has them
 *     lost_at= lost_code= reload_at=   GPU_IS_LOST or another code from then on; the counter restarts at 0
 *     power_error_from= power_error_to= energy_error_from= energy_error_to=   ERROR_UNKNOWN
 *     procs=<file> graphics=<file>     "pid MiB sm% mem%" a line, read at every call
 *     lists=0                          the lists of processes are Not Supported
 *     util=0|1|2|3|4                   use by process: Not Supported, the rows, NOT_FOUND, SUCCESS with no row,
 *                                      the rows with rubbish among them
 *     slices=<uuid>:<MiB>:<compute>,...   what MIG cuts it into; an empty part is a gap in their numbers
 *     temp= clock= throttle= persistence= bus=   celsius, SM MHz, reasons as a number, mode, PCI bus
 *
 * Compiled with -DOLD it lacks what drivers before R530 lack. fakeInits() counts the calls of nvmlInit.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_GPUS 16
#define MAX_STEPS 64
#define MAX_PROCS 64
#define MAX_SLICES 7
#define MIB 1048576.0
#define NEVER 1e300
#define NO_INSTANCE 0xffffffffU

/* nvmlReturn_t */
enum {
    OK = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    RESET_REQUIRED = 16,
    VERSION_MISMATCH = 25,
    UNKNOWN = 999
};

/* ---- the script ------------------------------------------------------------------------------ */

struct step {
    double from_s;
    double watts;
};

struct slice {
    char uuid[96];
    double mem_mb, compute;
};

struct gpu {
    unsigned index;
    char name[96];
    char uuid[96];
    char procs[512];
    char graphics[512];
    int module_scope;
    int slices;
    struct slice slice[MAX_SLICES];
    int steps;
    struct step profile[MAX_STEPS];
    double arch, limit_w, mem_mb, mig;
    double energy, e0_mj, update_ms, frozen;
    double power, avg_ms;
    double lost_at, lost_code, reload_at;
    double fields, lists, util;
    double temp, clock, throttle, persistence, bus;
    double power_error_from, power_error_to;
    double energy_error_from, energy_error_to;
};

struct number {
    const char *key;
    size_t offset;
};

#define NUMBER(field) {#field, offsetof(struct gpu, field)}
static const struct number NUMBERS[] = {
    NUMBER(arch),
    NUMBER(limit_w),
    NUMBER(mem_mb),
    NUMBER(mig),
    NUMBER(energy),
    NUMBER(e0_mj),
    NUMBER(update_ms),
    NUMBER(frozen),
    NUMBER(power),
    NUMBER(avg_ms),
    NUMBER(lost_at),
    NUMBER(lost_code),
    NUMBER(fields),
    NUMBER(lists),
    NUMBER(util),
    NUMBER(temp),
    NUMBER(clock),
    NUMBER(throttle),
    NUMBER(persistence),
    NUMBER(bus),
    NUMBER(reload_at),
    NUMBER(power_error_from),
    NUMBER(power_error_to),
    NUMBER(energy_error_from),
    NUMBER(energy_error_to),
};
#define NUMBER_COUNT (sizeof NUMBERS / sizeof NUMBERS[0])

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gpu pools[2][MAX_GPUS];
static struct gpu *gpus = pools[0]; /* moves when NVML starts anew: old handles are void then */
static int gpu_count;
static int init_error;
static int count_error;
static double epoch;
static int references;    /* nvmlInit calls not yet answered by nvmlShutdown */
static int inits;         /* all of them */
static struct stat known; /* the config file as it was when last read */

static double monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now_s(void)
{
    double t = monotonic_s() - epoch;
    return t > 0 ? t : 0;
}

static unsigned long long wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (unsigned long long)t.tv_sec * 1000000ULL + (unsigned long long)t.tv_nsec / 1000ULL;
}

static void parse_profile(struct gpu *g, char *text)
{
    char *rest;
    g->steps = 0;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        struct step *s = &g->profile[g->steps];
        if (g->steps < MAX_STEPS && sscanf(word, "%lf:%lf", &s->from_s, &s->watts) == 2)
            g->steps++;
    }
}

static void parse_name(struct gpu *g, const char *text)
{
    snprintf(g->name, sizeof g->name, "%s", text);
    for (char *c = g->name; *c; c++) {
        if (*c == '_')
            *c = ' ';
    }
}

static void parse_slices(struct gpu *g, char *text)
{
    char *part;
    while ((part = strsep(&text, ",")) && g->slices < MAX_SLICES) {
        struct slice *s = &g->slice[g->slices++];
        *s = (struct slice){.mem_mb = 0};
        sscanf(part, "%95[^:]:%lf:%lf", s->uuid, &s->mem_mb, &s->compute);
    }
}

static void parse_setting(struct gpu *g, const char *key, char *value)
{
    if (!strcmp(key, "name"))
        parse_name(g, value);
    else if (!strcmp(key, "uuid"))
        snprintf(g->uuid, sizeof g->uuid, "%s", value);
    else if (!strcmp(key, "procs"))
        snprintf(g->procs, sizeof g->procs, "%s", value);
    else if (!strcmp(key, "graphics"))
        snprintf(g->graphics, sizeof g->graphics, "%s", value);
    else if (!strcmp(key, "slices"))
        parse_slices(g, value);
    else if (!strcmp(key, "profile"))
        parse_profile(g, value);
    else if (!strcmp(key, "scope"))
        g->module_scope = !strcmp(value, "module");
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        if (!strcmp(key, NUMBERS[i].key))
            *(double *)((char *)g + NUMBERS[i].offset) = atof(value);
    }
}

static void parse_gpu(char *rest)
{
    if (gpu_count == MAX_GPUS)
        return;
    struct gpu *g = &gpus[gpu_count];
    *g = (struct gpu){.index = (unsigned)gpu_count,
                      .name = "Fake GPU",
                      .arch = 9,
                      .limit_w = 400,
                      .mem_mb = 81920,
                      .energy = 1,
                      .update_ms = 100,
                      .power = 1,
                      .lost_at = NEVER,
                      .lost_code = GPU_IS_LOST,
                      .reload_at = NEVER,
                      .fields = 1,
                      .lists = 1,
                      .util = 1,
                      .temp = 40,
                      .clock = 1980,
                      .persistence = 1,
                      .bus = 0x10 + gpu_count};
    snprintf(g->uuid, sizeof g->uuid, "GPU-00000000-0000-0000-0000-%012u", g->index);
    gpu_count++;
    char *word;
    while ((word = strtok_r(NULL, " \t\r\n", &rest))) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = '\0';
        parse_setting(g, word, value);
    }
}

static void parse_line(char *line)
{
    char *rest;
    char *word = strtok_r(line, " \t\r\n", &rest);
    if (!word || *word == '#')
        return;
    if (!strcmp(word, "gpu")) {
        parse_gpu(rest);
        return;
    }
    char *value = strtok_r(NULL, " \t\r\n", &rest);
    if (!value)
        return;
    if (!strcmp(word, "epoch"))
        epoch = atof(value);
    else if (!strcmp(word, "init_error"))
        init_error = atoi(value);
    else if (!strcmp(word, "count_error"))
        count_error = atoi(value);
}

static int unchanged(const struct stat *now)
{
    return now->st_ino == known.st_ino && now->st_size == known.st_size &&
           now->st_mtim.tv_sec == known.st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == known.st_mtim.tv_nsec;
}

static void reload_config(void)
{
    struct stat now;
    const char *path = getenv("FAKE_NVML");
    if (!path || stat(path, &now) || unchanged(&now))
        return;
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    known = now;
    gpu_count = 0;
    init_error = OK;
    count_error = OK;
    char line[8192];
    while (fgets(line, sizeof line, file))
        parse_line(line);
    fclose(file);
}

__attribute__((constructor)) static void loaded(void)
{
    epoch = monotonic_s();
}

/* ---- what the script says at one moment ------------------------------------------------------ */

static double watts_at(const struct gpu *g, double t)
{
    double watts = g->steps ? g->profile[0].watts : 0;
    for (int i = 0; i < g->steps && g->profile[i].from_s <= t; i++)
        watts = g->profile[i].watts;
    return watts;
}

/* The exact integral of the profile from start to end. */
static double joules(const struct gpu *g, double start, double end)
{
    if (end <= start)
        return 0;
    double sum = 0;
    double t = start;
    for (int i = 0; i < g->steps; i++) {
        double edge = g->profile[i].from_s;
        if (edge <= t)
            continue;
        if (edge >= end)
            break;
        sum += watts_at(g, t) * (edge - t);
        t = edge;
    }
    return sum + watts_at(g, t) * (end - t);
}

static int in_window(double t, double from, double to)
{
    return t >= from && t < to;
}

/* The counter as it shows: it moves only at multiples of update_ms. */
static int energy_mj(const struct gpu *g, double t, unsigned long long *mj)
{
    if (!g->energy)
        return NOT_SUPPORTED;
    if (in_window(t, g->energy_error_from, g->energy_error_to))
        return UNKNOWN;
    double tick = g->update_ms / 1000;
    double shown = tick > 0 ? (double)(int64_t)(t / tick) * tick : t;
    if (g->frozen)
        *mj = (unsigned long long)g->e0_mj;
    else if (t >= g->reload_at)
        *mj = (unsigned long long)(joules(g, g->reload_at, shown) * 1000);
    else
        *mj = (unsigned long long)(g->e0_mj + joules(g, 0, shown) * 1000);
    return OK;
}

static int power_mw(const struct gpu *g, double t, double window_ms, unsigned *mw)
{
    if (!g->power)
        return NOT_SUPPORTED;
    if (in_window(t, g->power_error_from, g->power_error_to))
        return UNKNOWN;
    double window = window_ms / 1000;
    double watts = window > 0 ? joules(g, t - window, t) / window : watts_at(g, t);
    *mw = (unsigned)(watts * 1000);
    return OK;
}

struct row {
    unsigned pid;
    double mib;
    unsigned sm, mem;
};

static unsigned read_file(const char *path, struct row *rows, unsigned n)
{
    FILE *file = path[0] ? fopen(path, "r") : NULL;
    if (!file)
        return n;
    while (n < MAX_PROCS && fscanf(file, "%u %lf %u %u", &rows[n].pid, &rows[n].mib, &rows[n].sm,
                                   &rows[n].mem) == 4)
        n++;
    fclose(file);
    return n;
}

static unsigned read_rows(const struct gpu *g, struct row *rows)
{
    return read_file(g->procs, rows, 0);
}

static unsigned read_all_rows(const struct gpu *g, struct row *rows)
{
    return read_file(g->graphics, rows, read_rows(g, rows));
}

static double used_mib(const struct gpu *g)
{
    struct row rows[MAX_PROCS];
    unsigned n = read_rows(g, rows);
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += rows[i].mib;
    return sum;
}

/* ---- entry and exit of every call ------------------------------------------------------------ */

static int enter(void)
{
    pthread_mutex_lock(&lock);
    reload_config();
    return references ? OK : UNINITIALIZED;
}

/* The handle of a slice is its address, inside its GPU. */
static const struct slice *slice_of(const void *handle)
{
    for (int i = 0; i < gpu_count; i++) {
        for (int k = 0; k < gpus[i].slices; k++) {
            if (handle == &gpus[i].slice[k])
                return handle;
        }
    }
    return NULL;
}

/* A handle is the address of its struct gpu. */
static int enter_gpu(const struct gpu *g)
{
    int code = enter();
    if (code != OK)
        return code;
    if (g < gpus || g >= gpus + gpu_count || slice_of(g))
        return INVALID_ARGUMENT;
    return now_s() >= g->lost_at ? (int)g->lost_code : OK;
}

static int leave(int code)
{
    pthread_mutex_unlock(&lock);
    return code;
}

static int give_text(char *out, unsigned size, const char *text)
{
    if (!out)
        return INVALID_ARGUMENT;
    if (strlen(text) + 1 > size)
        return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return OK;
}

static int give_constant(const struct gpu *g, unsigned *out, unsigned value)
{
    int code = enter_gpu(g);
    if (code == OK)
        *out = value;
    return leave(code);
}

/* ---- library and system ---------------------------------------------------------------------- */

EXPORT int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    enter();
    if (inits++ && !references) {
        struct gpu *fresh = gpus == pools[0] ? pools[1] : pools[0];
        memcpy(fresh, gpus, sizeof pools[0]);
        gpus = fresh;
    }
    if (init_error == OK)
        references++;
    return leave(init_error);
}

EXPORT int fakeInits(void)
{
    return inits;
}

EXPORT int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

EXPORT int nvmlInit(void)
{
    return nvmlInitWithFlags(0);
}

EXPORT int nvmlShutdown(void)
{
    int code = enter();
    if (code == OK)
        references--;
    return leave(code);
}

EXPORT const char *nvmlErrorString(int code)
{
    switch (code) {
    case OK:
        return "Success";
    case UNINITIALIZED:
        return "Uninitialized";
    case INVALID_ARGUMENT:
        return "Invalid Argument";
    case NOT_SUPPORTED:
        return "Not Supported";
    case NO_PERMISSION:
        return "Insufficient Permissions";
    case NOT_FOUND:
        return "Not Found";
    case INSUFFICIENT_SIZE:
        return "Insufficient Size";
    case DRIVER_NOT_LOADED:
        return "Driver Not Loaded";
    case GPU_IS_LOST:
        return "GPU is lost";
    case RESET_REQUIRED:
        return "GPU requires reset";
    default:
        return "Unknown Error";
    }
}

EXPORT int nvmlSystemGetDriverVersion(char *out, unsigned size)
{
    int code = enter();
    return leave(code == OK ? give_text(out, size, "999.99.fake") : code);
}

EXPORT int nvmlSystemGetNVMLVersion(char *out, unsigned size)
{
    int code = enter();
    return leave(code == OK ? give_text(out, size, "13.999.99") : code);
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    *version = 13000;
    return OK;
}

EXPORT int nvmlSystemGetCudaDriverVersion(int *version)
{
    return nvmlSystemGetCudaDriverVersion_v2(version);
}

/* ---- finding a GPU --------------------------------------------------------------------------- */

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    int code = enter();
    if (code == OK)
        code = count_error;
    if (code == OK)
        *count = (unsigned)gpu_count;
    return leave(code);
}

EXPORT int nvmlDeviceGetCount(unsigned *count)
{
    return nvmlDeviceGetCount_v2(count);
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu **handle)
{
    int code = enter();
    if (code == OK && index >= (unsigned)gpu_count)
        code = INVALID_ARGUMENT;
    if (code == OK && now_s() >= gpus[index].lost_at)
        code = (int)gpus[index].lost_code;
    if (code == OK)
        *handle = &gpus[index];
    return leave(code);
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, struct gpu **handle)
{
    int code = enter();
    if (code != OK)
        return leave(code);
    for (int i = 0; i < gpu_count; i++) {
        if (strcmp(gpus[i].uuid, uuid))
            continue;
        *handle = &gpus[i];
        return leave(now_s() >= gpus[i].lost_at ? GPU_IS_LOST : OK);
    }
    return leave(NOT_FOUND);
}

EXPORT int nvmlDeviceGetIndex(struct gpu *g, unsigned *index)
{
    int code = enter_gpu(g);
    if (code == OK)
        *index = g->index;
    return leave(code);
}

EXPORT int nvmlDeviceGetName(struct gpu *g, char *out, unsigned size)
{
    int code = enter_gpu(g);
    return leave(code == OK ? give_text(out, size, g->name) : code);
}

EXPORT int nvmlDeviceGetUUID(struct gpu *g, char *out, unsigned size)
{
    int code = enter();
    const struct slice *part = slice_of(g);
    if (code == OK && part)
        return leave(give_text(out, size, part->uuid));
    leave(code);
    code = enter_gpu(g);
    return leave(code == OK ? give_text(out, size, g->uuid) : code);
}

EXPORT int nvmlDeviceGetArchitecture(struct gpu *g, unsigned *arch)
{
    int code = enter_gpu(g);
    if (code == OK)
        *arch = (unsigned)g->arch;
    return leave(code);
}

struct pci_info {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

EXPORT int nvmlDeviceGetPciInfo_v3(struct gpu *g, struct pci_info *pci)
{
    int code = enter_gpu(g);
    if (code != OK)
        return leave(code);
    *pci = (struct pci_info){.bus = (unsigned)g->bus, .device_id = 0x233010de};
    snprintf(pci->legacy_bus_id, sizeof pci->legacy_bus_id, "0000:%02X:00.0", pci->bus & 0xff);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus & 0xff);
    return leave(OK);
}

/* ---- energy and power ------------------------------------------------------------------------ */

#ifndef OLD
EXPORT int nvmlDeviceGetTotalEnergyConsumption(struct gpu *g, unsigned long long *mj)
{
    int code = enter_gpu(g);
    return leave(code == OK ? energy_mj(g, now_s(), mj) : code);
}
#endif

EXPORT int nvmlDeviceGetPowerUsage(struct gpu *g, unsigned *mw)
{
    int code = enter_gpu(g);
    return leave(code == OK ? power_mw(g, now_s(), g->avg_ms, mw) : code);
}

EXPORT int nvmlDeviceGetEnforcedPowerLimit(struct gpu *g, unsigned *mw)
{
    int code = enter_gpu(g);
    if (code == OK)
        *mw = (unsigned)(g->limit_w * 1000);
    return leave(code);
}

EXPORT int nvmlDeviceGetPowerManagementLimit(struct gpu *g, unsigned *mw)
{
    return nvmlDeviceGetEnforcedPowerLimit(g, mw);
}

EXPORT int nvmlDeviceGetPowerManagementDefaultLimit(struct gpu *g, unsigned *mw)
{
    return nvmlDeviceGetEnforcedPowerLimit(g, mw);
}

/* nvmlFieldValue_t and the fields a power meter asks for */
enum { FIELD_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };
enum { SCOPE_GPU = 0, SCOPE_MODULE = 1 };
enum { TYPE_UNSIGNED_INT = 1, TYPE_UNSIGNED_LONG_LONG = 3 };

struct field_value {
    unsigned field_id, scope_id;
    int64_t timestamp_us, latency_us;
    int value_type, code;
    union {
        double d;
        unsigned ui;
        unsigned long long ull;
    } value;
};

static int power_field(const struct gpu *g, struct field_value *field, double window_ms)
{
    if (!g->fields || field->scope_id != (g->module_scope ? SCOPE_MODULE : SCOPE_GPU))
        return NOT_SUPPORTED;
    field->value_type = TYPE_UNSIGNED_INT;
    return power_mw(g, now_s(), window_ms, &field->value.ui);
}

static int fill_field(const struct gpu *g, struct field_value *field)
{
    switch (field->field_id) {
    case FIELD_ENERGY:
        field->value_type = TYPE_UNSIGNED_LONG_LONG;
        return energy_mj(g, now_s(), &field->value.ull);
    case FIELD_POWER_AVERAGE:
        return power_field(g, field, 1000);
    case FIELD_POWER_INSTANT:
        return power_field(g, field, 0);
    default:
        return NOT_SUPPORTED;
    }
}

#ifndef OLD
EXPORT int nvmlDeviceGetFieldValues(struct gpu *g, int count, struct field_value *fields)
{
    int code = enter_gpu(g);
    for (int i = 0; code == OK && i < count; i++) {
        fields[i].timestamp_us = (int64_t)wall_us();
        fields[i].latency_us = 0;
        fields[i].code = fill_field(g, &fields[i]);
    }
    return leave(code);
}
#else
int old_field(const struct gpu *g, struct field_value *field)
{
    return fill_field(g, field);
}
#endif

/* ---- state a program may ask for ------------------------------------------------------------- */

EXPORT int nvmlDeviceGetTemperature(struct gpu *g, int sensor, unsigned *celsius)
{
    (void)sensor;
    return give_constant(g, celsius, (unsigned)g->temp);
}

EXPORT int nvmlDeviceGetClockInfo(struct gpu *g, int clock, unsigned *mhz)
{
    (void)clock;
    return give_constant(g, mhz, (unsigned)g->clock);
}

EXPORT int nvmlDeviceGetCurrentClocksThrottleReasons(struct gpu *g, unsigned long long *reasons)
{
    int code = enter_gpu(g);
    if (code == OK)
        *reasons = (unsigned long long)g->throttle;
    return leave(code);
}

EXPORT int nvmlDeviceGetComputeMode(struct gpu *g, unsigned *mode)
{
    return give_constant(g, mode, 0);
}

EXPORT int nvmlDeviceGetPersistenceMode(struct gpu *g, unsigned *mode)
{
    return give_constant(g, mode, (unsigned)g->persistence);
}

struct utilization {
    unsigned gpu, memory;
};

static unsigned at_most_100(unsigned percent)
{
    return percent > 100 ? 100 : percent;
}

EXPORT int nvmlDeviceGetUtilizationRates(struct gpu *g, struct utilization *out)
{
    int code = enter_gpu(g);
    if (code == OK && g->mig)
        code = NOT_SUPPORTED; /* as on hardware: no utilisation under MIG */
    if (code != OK)
        return leave(code);
    struct row rows[MAX_PROCS];
    unsigned n = read_rows(g, rows);
    unsigned sm = 0;
    unsigned mem = 0;
    for (unsigned i = 0; i < n; i++) {
        sm += rows[i].sm;
        mem += rows[i].mem;
    }
    *out = (struct utilization){at_most_100(sm), at_most_100(mem)};
    return leave(OK);
}

struct memory {
    unsigned long long total, free, used;
};

struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
#define MEMORY_V2 0x02000028U

static struct memory memory_now(const struct gpu *g)
{
    unsigned long long total = (unsigned long long)(g->mem_mb * MIB);
    unsigned long long used = (unsigned long long)(used_mib(g) * MIB);
    return (struct memory){total, total - used, used};
}

EXPORT int nvmlDeviceGetMemoryInfo(struct gpu *g, struct memory *out)
{
    int code = enter_gpu(g);
    if (code == OK)
        *out = memory_now(g);
    return leave(code);
}

EXPORT int nvmlDeviceGetMemoryInfo_v2(struct gpu *g, struct memory_v2 *out)
{
    int code = enter_gpu(g);
    if (code == OK && out->version != MEMORY_V2)
        code = VERSION_MISMATCH;
    if (code != OK)
        return leave(code);
    struct memory now = memory_now(g);
    *out = (struct memory_v2){MEMORY_V2, now.total, 0, now.free, now.used};
    return leave(OK);
}

/* ---- MIG ------------------------------------------------------------------------------------- */

EXPORT int nvmlDeviceGetMigMode(struct gpu *g, unsigned *current, unsigned *pending)
{
    int code = enter_gpu(g);
    if (code == OK && g->arch < 7)
        code = NOT_SUPPORTED;
    if (code == OK)
        *current = *pending = (unsigned)g->mig;
    return leave(code);
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(struct gpu *g, unsigned *count)
{
    int code = enter_gpu(g);
    if (code == OK)
        *count = g->mig ? 7 : 0;
    return leave(code);
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(struct gpu *g, unsigned index, void **handle)
{
    int code = enter_gpu(g);
    if (code == OK && (index >= (unsigned)g->slices || !g->slice[index].uuid[0]))
        code = NOT_FOUND;
    if (code == OK)
        *handle = &g->slice[index];
    return leave(code);
}

struct attributes {
    unsigned processors, copy, decoder, encoder, jpeg, optical_flow, instance_slices, compute_slices;
    unsigned long long mib;
};

EXPORT int nvmlDeviceGetAttributes_v2(void *handle, struct attributes *out)
{
    int code = enter();
    const struct slice *part = slice_of(handle);
    if (code == OK && !part)
        code = NOT_SUPPORTED; /* as on hardware: of slices only */
    if (code != OK)
        return leave(code);
    *out = (struct attributes){.compute_slices = (unsigned)part->compute,
                               .mib = (unsigned long long)part->mem_mb};
    return leave(OK);
}

/* ---- processes ------------------------------------------------------------------------------- */

struct process_v1 {
    unsigned pid;
    unsigned long long bytes;
};

struct process { /* v2 and v3 */
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
};

/* As the driver does: *count is the room on entry, the number of rows on return. */
static int fit(unsigned *count, unsigned rows, const void *out)
{
    unsigned room = *count;
    *count = rows;
    if (room < rows)
        return INSUFFICIENT_SIZE;
    return rows && !out ? INVALID_ARGUMENT : OK;
}

static int list_processes(struct gpu *g, const char *path, unsigned *count, struct process *out)
{
    struct row rows[MAX_PROCS];
    int code = enter_gpu(g);
    if (code == OK && !g->lists)
        code = NOT_SUPPORTED;
    if (code == OK)
        code = fit(count, read_file(path, rows, 0), out);
    for (unsigned i = 0; code == OK && i < *count; i++) {
        unsigned long long bytes = (unsigned long long)(rows[i].mib * MIB);
        out[i] = (struct process){rows[i].pid, bytes, NO_INSTANCE, NO_INSTANCE};
    }
    return leave(code);
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v2(struct gpu *g, unsigned *count,
                                                   struct process *out)
{
    return list_processes(g, g->procs, count, out);
}

EXPORT int nvmlDeviceGetGraphicsRunningProcesses_v2(struct gpu *g, unsigned *count,
                                                    struct process *out)
{
    return list_processes(g, g->graphics, count, out);
}

#ifndef OLD
EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(struct gpu *g, unsigned *count,
                                                   struct process *out)
{
    return list_processes(g, g->procs, count, out);
}

EXPORT int nvmlDeviceGetGraphicsRunningProcesses_v3(struct gpu *g, unsigned *count,
                                                    struct process *out)
{
    return list_processes(g, g->graphics, count, out);
}
#endif

EXPORT int nvmlDeviceGetComputeRunningProcesses(struct gpu *g, unsigned *count,
                                                struct process_v1 *out)
{
    struct row rows[MAX_PROCS];
    int code = enter_gpu(g);
    if (code == OK)
        code = fit(count, read_rows(g, rows), out);
    for (unsigned i = 0; code == OK && i < *count; i++)
        out[i] = (struct process_v1){rows[i].pid, (unsigned long long)(rows[i].mib * MIB)};
    return leave(code);
}

EXPORT int nvmlDeviceGetGraphicsRunningProcesses(struct gpu *g, unsigned *count,
                                                 struct process_v1 *out)
{
    (void)out;
    return give_constant(g, count, 0);
}

struct process_sample {
    unsigned pid;
    unsigned long long timestamp_us;
    unsigned sm, mem, encoder, decoder;
};

enum { NO_UTIL = 0, UTIL_NOT_FOUND = 2, UTIL_EMPTY = 3, UTIL_RUBBISH = 4 };
#define UTIL_ROOM 100 /* what the driver asks for on the first call, however few rows there are */

EXPORT int nvmlDeviceGetProcessUtilization(struct gpu *g, struct process_sample *out,
                                           unsigned *count, unsigned long long since_us)
{
    struct row rows[MAX_PROCS];
    int code = enter_gpu(g);
    if (code == OK && (g->mig || g->util == NO_UTIL))
        code = NOT_SUPPORTED;
    if (code != OK)
        return leave(code);
    unsigned n = read_all_rows(g, rows);
    if (g->util == UTIL_EMPTY) {
        *count = 0;
        return leave(OK);
    }
    unsigned long long now_us = wall_us();
    if (!n || g->util == UTIL_NOT_FOUND || now_us <= since_us)
        return leave(NOT_FOUND);
    unsigned room = *count;
    *count = out ? n : UTIL_ROOM;
    if (!out || room < n)
        return leave(INSUFFICIENT_SIZE);
    for (unsigned i = 0; i < n; i++)
        out[i] = (struct process_sample){rows[i].pid, now_us, rows[i].sm, rows[i].mem, 0, 0};
    if (g->util == UTIL_RUBBISH && n + 3 <= room) {
        out[n++] = (struct process_sample){rows[0].pid, now_us, 3000000000U, 0, 0, 0};
        out[n++] = (struct process_sample){0, now_us, 50, 0, 0, 0};
        out[n++] = (struct process_sample){rows[0].pid, since_us, 100, 0, 0, 0};
        *count = n;
    }
    return leave(OK);
}

struct process_info {
    unsigned long long timestamp_us;
    unsigned pid, sm, mem, encoder, decoder, jpeg, optical_flow;
};

struct processes_info {
    unsigned version, count;
    unsigned long long since_us;
    struct process_info *rows;
};
#define PROCESSES_INFO_V1 0x01000018U

EXPORT int nvmlDeviceGetProcessesUtilizationInfo(struct gpu *g, struct processes_info *out)
{
    struct row rows[MAX_PROCS];
    int code = enter_gpu(g);
    if (code == OK && out->version != PROCESSES_INFO_V1)
        code = VERSION_MISMATCH;
    if (code != OK)
        return leave(code);
    unsigned n = read_all_rows(g, rows);
    if (!n)
        return leave(NOT_FOUND);
    code = out->rows ? fit(&out->count, n, out->rows) : INSUFFICIENT_SIZE;
    out->count = n;
    for (unsigned i = 0; code == OK && i < n; i++)
        out->rows[i] = (struct process_info){
            .timestamp_us = wall_us(), .pid = rows[i].pid, .sm = rows[i].sm, .mem = rows[i].mem};
    return leave(code);
}
