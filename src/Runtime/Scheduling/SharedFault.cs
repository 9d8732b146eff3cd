namespace Hearth.Runtime.Scheduling;

/// <summary>A failure that ends several requests at once.</summary>
internal static class SharedFault
{
    /// <summary>An exception for one of the requests: each reader throws its own, whose stack trace nobody else writes to.</summary>
    /// <param name="fault">What failed; never thrown again itself.</param>
    public static HearthException ForOne(Exception fault) => fault switch
    {
        OutOfModelMemoryException => new OutOfModelMemoryException(fault.Message),
        HearthException => new HearthException(fault.Message, fault),
        _ => new HearthException("the step that computed the request failed", fault),
    };
}
