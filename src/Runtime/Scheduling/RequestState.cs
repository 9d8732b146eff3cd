namespace Hearth.Runtime.Scheduling;

/// <summary>Where a request stands.</summary>
/// <remarks>
/// Waiting → Prefilling → Decoding → one of the ends. Preemption leads from Prefilling or Decoding back to the queue
/// as Preempted, from there again to Prefilling. Every state may lead to Cancelled or Failed.
/// </remarks>
internal enum RequestState
{
    /// <summary>In the queue; owns no page.</summary>
    Waiting,

    /// <summary>In the queue again because its pages were needed; owns no page, keeps its tokens and its sampler.</summary>
    Preempted,

    /// <summary>Admitted; more than its last token has to be computed.</summary>
    Prefilling,

    /// <summary>Admitted; each step computes one token and chooses the next.</summary>
    Decoding,

    /// <summary>Ended with a finish reason.</summary>
    Completed,

    /// <summary>Nobody wants the rest.</summary>
    Cancelled,

    /// <summary>Ended with an error.</summary>
    Failed,
}

/// <summary>Questions that a state answers.</summary>
internal static class RequestStates
{
    /// <summary>Whether the request takes part in steps and owns pages.</summary>
    public static bool IsAdmitted(this RequestState state) => state is RequestState.Prefilling or RequestState.Decoding;
}
