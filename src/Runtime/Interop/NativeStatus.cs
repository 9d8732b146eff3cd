using System.Runtime.InteropServices;

namespace Hearth.Runtime.Interop;

/// <summary>Turns the library's statuses into exceptions.</summary>
internal static unsafe class NativeStatus
{
    private const int Ok = 0;
    private const int InvalidArgument = 1;
    private const int InvalidProgram = 2;
    private const int Unsupported = 3;
    private const int OutOfMemory = 4;
    private const int InvalidState = 5;

    /// <summary>Throws what a status other than success stands for, with the library's message.</summary>
    internal static void Check(int status)
    {
        if (status == Ok)
            return;
        var message = Marshal.PtrToStringUTF8((nint)NativeMethods.hearth_last_error()) ?? "no message";
        throw status switch
        {
            InvalidArgument => new ArgumentException(message),
            InvalidProgram => new HearthException($"the model's program does not fit together: {message}"),
            Unsupported => new HearthException(message),
            OutOfMemory => new OutOfModelMemoryException(message),
            InvalidState => new InvalidOperationException(message),
            _ => new HearthException($"the native engine failed: {message}"),
        };
    }
}
