/* NSS softoken wants parameters in C_Initialize, which the Python library does not give.
 * This module hands out softoken's function list with a C_Initialize that adds them, taken from
 * the environment variable NSS_PARAMETERS. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long CK_RV;
typedef unsigned long CK_FLAGS;

struct init_args {
    void *create_mutex, *destroy_mutex, *lock_mutex, *unlock_mutex;
    CK_FLAGS flags;
    char *library_parameters; /* an extension of NSS, before the reserved pointer */
    void *reserved;
};

/* the head of CK_FUNCTION_LIST of version 2: 68 functions, C_Initialize is the first */
struct function_list {
    struct { unsigned char major, minor; } version;
    void *functions[68];
};

static struct function_list ours;
static CK_RV (*real_initialize)(void *);

static CK_RV initialize(void *ignored) {
    struct init_args args;
    (void)ignored;
    memset(&args, 0, sizeof args);
    args.flags = 2; /* CKF_OS_LOCKING_OK */
    args.library_parameters = getenv("NSS_PARAMETERS");
    return real_initialize(&args);
}

CK_RV C_GetFunctionList(struct function_list **list) {
    void *library = dlopen("libsoftokn3.so", RTLD_NOW);
    CK_RV (*get)(struct function_list **);
    struct function_list *theirs;
    CK_RV result;
    if (library == NULL)
        return 0x30; /* CKR_DEVICE_ERROR */
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    if (get == NULL || (result = get(&theirs)) != 0)
        return 0x30;
    memcpy(&ours, theirs, sizeof ours);
    *(void **)&real_initialize = ours.functions[0];
    ours.functions[0] = (void *)initialize;
    *list = &ours;
    return 0;
}
